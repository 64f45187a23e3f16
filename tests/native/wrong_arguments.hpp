// What can be wrong about an argument, and what must become of it.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "spotcore/ops.hpp"

namespace wrong {

using namespace spotcore;

// `call` throws std::invalid_argument, whose message names the argument and says what came and what
// was expected.
inline void refused(const std::string& operation, const std::string& name,
                    const std::function<void()>& call) {
  std::string message = "nothing";
  try {
    call();
  } catch (const std::invalid_argument& error) {
    message = error.what();
    if (message.starts_with(name) && message.find("expected ") != std::string::npos &&
        message.find("got ") != std::string::npos) {
      return;
    }
  }
  throw check::Failure(operation + ", wrong " + name + ": threw " + message);
}

inline constexpr std::int64_t kBins = 2, kHeight = 6, kWidth = 9;
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// What can be wrong about an image that should be [kHeight, kWidth]. Its memory is as large as it
// should be, so that a sanitizer sees who reads or writes where a larger one would lie.
inline void each_wrong_image(ImageSpan& image, bool optional,
                             const std::function<void()>& attempt) {
  const ImageSpan right = image;
  for (const auto& [height, width] : {std::pair{kHeight + 1, kWidth},
                                      {kHeight - 1, kWidth},
                                      {kHeight, kWidth + 1},
                                      {kHeight, kWidth - 1},
                                      {kWidth, kHeight},
                                      {std::int64_t{0}, std::int64_t{0}},
                                      {-kHeight, -kWidth}}) {
    image = {right.data, height, width};
    attempt();
  }
  image = {nullptr, kHeight, kWidth};
  if (!optional) attempt();
  image = right;
}

inline void each_wrong_stack(StackSpan& stack, bool optional,
                             const std::function<void()>& attempt) {
  const StackSpan right = stack;
  for (const std::int64_t bins : {kBins - 1, kBins + 1, std::int64_t{0}, -kBins}) {
    stack = {right.data, bins, kHeight, kWidth};
    attempt();
  }
  ImageSpan image{right.data, kHeight, kWidth};
  each_wrong_image(image, optional, [&] {
    stack = {image.data, kBins, image.height, image.width};
    attempt();
  });
  stack = right;
}

inline void each_wrong_xi(std::span<const float>& xi, const std::function<void()>& attempt) {
  static const std::vector<float> longer(kBins + 1, 1.0F), minus{1, -1}, nan{kNaN, 1};
  static const std::vector<float> infinite{1, std::numeric_limits<float>::infinity()};
  const auto right = xi;
  for (const std::span<const float> wrong :
       {right.first(kBins - 1), right.first(0), std::span<const float>(longer),
        std::span<const float>(minus), std::span<const float>(nan),
        std::span<const float>(infinite)}) {
    xi = wrong;
    attempt();
  }
  xi = right;
}

// A plan for such images, with a preconditioner.
inline const SeparableKernels kKernels{{1, 3, {1, 2, 1}}, {1, 5, {1, 2, 3, 2, 1}}};

inline AxisBasis flat_basis(std::int64_t size) {
  AxisBasis basis{size, {}, {}};
  basis.even.assign(static_cast<std::size_t>(basis.even_half()), 0.1F);
  basis.odd.assign(static_cast<std::size_t>(basis.odd_half()), 0.1F);
  return basis;
}

inline std::unique_ptr<Operations> plan() {
  const Preconditioner made{flat_basis(kHeight), flat_basis(kWidth), std::vector<float>(4, 1.0F),
                            0.1F, 2.0F};
  return make_cpu_operations(kKernels, kHeight, kWidth, {2, "auto", {}}, &made);
}

}  // namespace wrong
