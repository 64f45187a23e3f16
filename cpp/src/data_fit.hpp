// What one FISTA iteration does with images alone, on blocks of pixels.
#pragma once

#include <cstdint>

#include "isa.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// Operations::residual and data_term on pixels [p0, p0 + n); `w` may be empty.
struct DataFit {
  void (*residual)(ImageView Aa, ImageView Aa_prev, float alpha, ImageView d, ImageView w,
                   ImageSpan residual, std::int64_t p0, std::int64_t n);
  double (*data_term)(ImageView Aa, ImageView d, ImageView w, std::int64_t p0, std::int64_t n);
};

DataFit data_fit(Isa isa);

}  // namespace spotcore
