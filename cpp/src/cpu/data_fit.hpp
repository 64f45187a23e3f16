// What one iteration does with images alone, on blocks of pixels.
#pragma once

#include <cstdint>

#include "platform/isa.hpp"

namespace spotcore {

// The images of Operations::residual and dual_residual; `w` may be null.
struct ResidualArguments {
  const float *Aa, *Aa_prev, *d, *w;
  float alpha;
  float* residual;
};

struct DualArguments {
  const float *nu, *Az, *d, *w;
  float step_y, relaxation;
  float *e_y, *Ae, *residual;
};

// Both on pixels [p0, p0 + n); they return the data term's share.
struct DataFit {
  double (*residual)(const ResidualArguments& args, std::int64_t p0, std::int64_t n);
  double (*dual_residual)(const DualArguments& args, std::int64_t p0, std::int64_t n);
};

DataFit data_fit(Isa isa);

}  // namespace spotcore
