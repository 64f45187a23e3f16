// What an iteration does with images alone, on a block of pixels, compiled once per instruction
// set. Plain loops over pixels: the compiler vectorises them for the target that is open.

// Squares are added lane by lane, in double, and then the lanes: the same on every processor of
// one target, for any number of threads.
struct SumOfSquares {
  static constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  double total() const {
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    return sum;
  }
};

// `body(p, lane)` for all n pixels.
template <class Body>
inline void each_pixel(std::int64_t n, Body body) {
  constexpr int kLanes = SumOfSquares::kLanes;
  std::int64_t p = 0;
  for (; p + kLanes <= n; p += kLanes) {
    for (int l = 0; l < kLanes; ++l) body(p + l, l);
  }
  for (; p < n; ++p) body(p, 0);
}

// out = w^2 (Aa + alpha (Aa - Aa_prev) - d); returns ||w (Aa - d)||^2
inline double fit_residual(const ResidualArguments& args, std::int64_t p0, std::int64_t n) {
  const float* a = args.Aa + p0;
  const float* a_prev = args.Aa_prev + p0;
  const float* d = args.d + p0;
  float* out = args.residual + p0;  // may be one of the inputs, pixel by pixel
  const float alpha = args.alpha;
  SumOfSquares squares;
  if (args.w == nullptr) {
    each_pixel(n, [&](std::int64_t p, int lane) {
      const float r = a[p] - d[p];
      out[p] = a[p] + alpha * (a[p] - a_prev[p]) - d[p];
      squares.lanes[lane] += double{r} * double{r};
    });
    return squares.total();
  }
  const float* w = args.w + p0;
  each_pixel(n, [&](std::int64_t p, int lane) {
    const float r = w[p] * (a[p] - d[p]);
    out[p] = w[p] * w[p] * (a[p] + alpha * (a[p] - a_prev[p]) - d[p]);
    squares.lanes[lane] += double{r} * double{r};
  });
  return squares.total();
}

// Operations::dual_residual; returns ||w (Az - d)||^2
inline double fit_dual_residual(const DualArguments& args, std::int64_t p0, std::int64_t n) {
  const float* __restrict nu = args.nu + p0;
  const float* __restrict Az = args.Az + p0;
  const float* __restrict d = args.d + p0;
  const float* __restrict w = args.w == nullptr ? nullptr : args.w + p0;
  float* __restrict e_y = args.e_y + p0;
  float* __restrict Ae = args.Ae + p0;
  float* __restrict out = args.residual + p0;
  const float step = args.step_y, relaxation = args.relaxation;
  SumOfSquares squares;
  const auto pixel = [&](float weight, std::int64_t p, int lane) {
    const float r = weight * (Az[p] - d[p]);
    squares.lanes[lane] += double{r} * double{r};
    const float pull = 2.0F * step * weight * weight;
    const float e = e_y[p];
    const float y = (e - step * nu[p] + pull * d[p]) / (1.0F + pull);
    out[p] = (2.0F * y - e) - (2.0F * Az[p] - Ae[p]);
    e_y[p] = e + relaxation * (y - e);
    Ae[p] += relaxation * (Az[p] - Ae[p]);
  };
  if (w == nullptr) {
    each_pixel(n, [&](std::int64_t p, int lane) { pixel(1.0F, p, lane); });
  } else {
    each_pixel(n, [&](std::int64_t p, int lane) { pixel(w[p], p, lane); });
  }
  return squares.total();
}
