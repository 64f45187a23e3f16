// A matrix times a strip of columns, compiled once per instruction set (see foreach_isa.hpp).
//
// As in column_conv.kernel.hpp neighbouring columns lie in the lanes; a tile of kPanel outputs by
// one strip is held in registers while the inputs pass by.

#include "platform/vector.kernel.hpp"

inline constexpr int kVectors = SPOTCORE_REGISTERS == 32 && kLanes == 4 ? 6 : 3;
inline constexpr int kPanel = SPOTCORE_REGISTERS == 32 && kLanes == 16 ? 8 : 4;
inline constexpr int kDenseStrip = kVectors * kLanes;
static_assert(kPanel * kVectors + kVectors + 1 <= SPOTCORE_REGISTERS);

inline DenseLayout dense_layout() { return {kDenseStrip, kPanel}; }

// tile[i][c] = sum_q panel[q][i] in[q][c]
inline void dense_tile(const float* panel, std::int64_t inputs, const float* in, float* tile) {
  Vector sum[kPanel][kVectors] = {};
  for (std::int64_t q = 0; q < inputs; ++q, panel += kPanel, in += kDenseStrip) {
    Vector x[kVectors];
#pragma GCC unroll 6
    for (int v = 0; v < kVectors; ++v) {
      x[v] = load(in + v * kLanes);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kPanel; ++i) {
      const float f = panel[i];
#pragma GCC unroll 6
      for (int v = 0; v < kVectors; ++v) sum[i][v] += f * x[v];
    }
  }
  for (int i = 0; i < kPanel; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      store(sum[i][v], tile + i * kDenseStrip + v * kLanes);
    }
  }
}

inline void dense_project(const DenseMatrix& matrix, const float* in, std::int64_t columns,
                          float* out, std::int64_t pitch) {
  alignas(64) float tile[kPanel * kDenseStrip];
  for (std::int64_t r = 0; r < matrix.outputs; r += kPanel) {
    dense_tile(matrix.panels + r * matrix.inputs, matrix.inputs, in, tile);
    const std::int64_t valid = std::min<std::int64_t>(kPanel, matrix.outputs - r);
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t i = 0; i < valid; ++i) out[c * pitch + r + i] = tile[i * kDenseStrip + c];
    }
  }
}

inline void dense_expand(const DenseMatrix& even, const DenseMatrix& odd, const float* even_in,
                         const float* odd_in, std::int64_t columns, std::int64_t size, float* out,
                         std::int64_t pitch) {
  alignas(64) float e[kPanel * kDenseStrip];
  alignas(64) float o[kPanel * kDenseStrip];
  for (std::int64_t r = 0; r < even.outputs; r += kPanel) {
    dense_tile(even.panels + r * even.inputs, even.inputs, even_in, e);
    // An axis of odd length has a middle row, which antisymmetric vectors lack.
    const std::int64_t odd_rows = std::clamp<std::int64_t>(odd.outputs - r, 0, kPanel);
    std::fill_n(o, kPanel * kDenseStrip, 0.0F);
    if (odd_rows > 0) dense_tile(odd.panels + r * odd.inputs, odd.inputs, odd_in, o);
    const std::int64_t valid = std::min<std::int64_t>(kPanel, even.outputs - r);
    for (std::int64_t c = 0; c < columns; ++c) {
      float* first = out + c * pitch + r;
      float* last = out + c * pitch + size - 1 - r;
      for (std::int64_t i = 0; i < valid; ++i) {
        last[-i] = e[i * kDenseStrip + c] - o[i * kDenseStrip + c];
        first[i] = e[i * kDenseStrip + c] + o[i * kDenseStrip + c];
      }
    }
  }
}
