// The data term and its residual on a block of pixels, compiled once per instruction set.
// Plain loops over pixels: the compiler vectorises them for the target that is open.

inline void fit_residual(ImageView Aa, ImageView Aa_prev, float alpha, ImageView d, ImageView w,
                         ImageSpan residual, std::int64_t p0, std::int64_t n) {
  const float* a = Aa.data + p0;
  const float* a_prev = Aa_prev.data + p0;
  const float* image = d.data + p0;
  float* out = residual.data + p0;  // may be one of the inputs, pixel by pixel
  if (w.data == nullptr) {
    for (std::int64_t p = 0; p < n; ++p) out[p] = a[p] + alpha * (a[p] - a_prev[p]) - image[p];
    return;
  }
  const float* weight = w.data + p0;
  for (std::int64_t p = 0; p < n; ++p) {
    out[p] = weight[p] * weight[p] * (a[p] + alpha * (a[p] - a_prev[p]) - image[p]);
  }
}

// Sums lane by lane, in double, and then the lanes: the same on every processor of one target.
inline double fit_data_term(ImageView Aa, ImageView d, ImageView w, std::int64_t p0,
                            std::int64_t n) {
  constexpr int kLanes = 16;
  const float* a = Aa.data + p0;
  const float* image = d.data + p0;
  const float* weight = w.data == nullptr ? nullptr : w.data + p0;
  double lanes[kLanes] = {};
  std::int64_t p = 0;
  for (; p + kLanes <= n; p += kLanes) {
    float r[kLanes];
    for (int l = 0; l < kLanes; ++l) r[l] = a[p + l] - image[p + l];
    if (weight != nullptr) {
      for (int l = 0; l < kLanes; ++l) r[l] *= weight[p + l];
    }
    for (int l = 0; l < kLanes; ++l) lanes[l] += double{r[l]} * double{r[l]};
  }
  double sum = 0;
  for (; p < n; ++p) {
    const double r = (weight == nullptr ? 1.0F : weight[p]) * (a[p] - image[p]);
    sum += r * r;
  }
  for (const double lane : lanes) sum += lane;
  return sum;
}
