// The plan of the observation operator on the CPU: each kernel at the resolution that it needs.
//
// Kernels of scale 1 are applied as they are. For s > 1 images pass through D, the kernels' factors
// on the coarse grid, and D^T; because D^T is the exact transpose of D and the factors are
// symmetric, so is the product. All of it is small but the two ends, which read or write an
// image-sized map per bin. A solver's iteration therefore sweeps over the image in blocks: A* of a
// block is made in the cache, and what becomes of it is all that is written.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cpu/coarse_level.hpp"
#include "cpu/separable_conv.hpp"
#include "platform/function_ref.hpp"
#include "platform/sizes.hpp"
#include "platform/threads.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// A piece of an image whose bins are worked on together, in the first-level cache.
struct Block {
  static constexpr std::int64_t kRows = 4, kColumns = 64, kPixels = kRows * kColumns;
  std::int64_t y0, x0, rows, columns;
  std::int64_t index;  // among all blocks
  std::int64_t pixels() const { return rows * columns; }
};

class ObservationPlan {
 public:
  ObservationPlan(const SeparableKernels& kernels, ImageSize size, Isa isa, ThreadPool& pool);

  std::int64_t bins() const { return bins_; }
  ImageSize size() const { return size_; }
  std::int64_t blocks() const { return strips() * blocks_per_strip(); }

  void separable_conv(StackView x, StackSpan y);
  void forward(StackView a, ImageSpan d);
  void adjoint(ImageView d, StackSpan a);

  // body(block, values, worker) gets A* d on the block in values[k * kPixels + row * columns + ..]
  // and may overwrite it. It is called once for each block, in any order.
  using BlockBody = function_ref<void(const Block&, float*, int)>;
  // A* d, handed out block by block and never stored, and A of what is made of it: `body` writes
  // that block of `next`. Then Anext = A next.
  void sweep(ImageView d, BlockBody body, StackView next, ImageSpan Anext);

 private:
  enum class Maps { one, each };  // an image that serves every bin, or one per bin
  // Rows that a worker sweeps over before it decimates them: few enough that all their maps are in
  // the cache then, and enough that few coarse rows are reached by neighbouring bands too.
  static constexpr std::int64_t kBandRows = 64;

  std::int64_t strips() const { return ceil_div(size_.width, Block::kColumns); }
  // With nothing to decimate, as small as can be.
  std::int64_t band_rows() const { return levels_.empty() ? Block::kRows : kBandRows; }
  std::int64_t bands() const { return ceil_div(size_.height, band_rows()); }
  std::int64_t blocks_per_strip() const { return ceil_div(size_.height, Block::kRows); }
  float* packed(int worker) { return packed_[static_cast<std::size_t>(worker)].get(); }

  // The way of an image, or of the maps of a stack, through the operator:
  void decimate(ImageView d);
  void decimate(StackView a);
  void decimate_band(StackView a, std::int64_t band, int worker);
  void filter(Maps inputs, Maps outputs);  // all passes but D's first and D^T's last
  void interpolate(ImageSpan d);
  void interpolate(StackSpan a);
  void begin_adjoint(ImageView d);  // all but `interpolate`
  void adjoint_block(const Block& block, float* values);
  void end_forward(StackView a, ImageSpan d);  // all but `decimate`
  // One pass of `filter`, shared out over the direct kernels and all levels.
  template <class Direct, class Tasks, class Pass>
  void pass(std::int64_t direct_tasks, Direct direct, Tasks tasks, Pass level_pass);

  std::int64_t bins_;
  ImageSize size_;
  ThreadPool& pool_;
  std::vector<std::int64_t> direct_bins_;  // of scale 1
  std::unique_ptr<SeparablePlan> direct_;  // null if there are none
  std::vector<const float*> direct_inputs_;
  std::vector<float*> direct_outputs_;
  AlignedBuffer direct_maps_;  // [direct bins, H, W], for a sweep
  std::vector<CoarseLevel> levels_;
  std::vector<AlignedBuffer> packed_;  // [workers], scratch of D
  std::vector<AlignedBuffer> values_;  // [workers][K, Block::kPixels]
};

}  // namespace spotcore
