// What every operation asks of its arguments. A wrong one is a std::invalid_argument that names it,
// what came and what was expected; a right one costs a few comparisons and allocates nothing.
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "platform/sizes.hpp"
#include "spotcore/views.hpp"

namespace spotcore {

// Texts and numbers joined to one message.
template <class... Parts>
std::string joined(const Parts&... parts) {
  std::string text;
  const auto append = [&](const auto& part) {
    using Part = std::remove_cvref_t<decltype(part)>;
    if constexpr (std::is_floating_point_v<Part>) {
      char digits[32];  // std::to_string would make 0.000000 of a small number
      std::snprintf(digits, sizeof digits, "%g", static_cast<double>(part));
      text += digits;
    } else if constexpr (std::is_integral_v<Part>) {
      text += std::to_string(part);
    } else {
      text += std::string_view(part);
    }
  };
  (append(parts), ...);
  return text;
}

// Throws std::invalid_argument with the joined parts unless `right`.
template <class... Parts>
void require(bool right, const Parts&... what) {
  if (!right) [[unlikely]] {
    throw std::invalid_argument(joined(what...));
  }
}

// "(2, 12, 10)"
inline std::string shape_text(std::int64_t k, std::int64_t h, std::int64_t w) {
  return joined("(", k, ", ", h, ", ", w, ")");
}
inline std::string shape_text(std::int64_t h, std::int64_t w) {
  return joined("(", h, ", ", w, ")");
}

template <class T>
void require_shape(Stack<T> stack, std::int64_t bins, ImageSize size, const char* name) {
  if (stack.bins != bins || stack.height != size.height || stack.width != size.width) [[unlikely]] {
    throw std::invalid_argument(joined(name, ": expected shape ",
                                       shape_text(bins, size.height, size.width), ", got ",
                                       shape_text(stack.bins, stack.height, stack.width)));
  }
  require(stack.data != nullptr, name, ": expected an array, got a null pointer");
}

template <class T>
void require_shape(Image<T> image, ImageSize size, const char* name) {
  if (image.height != size.height || image.width != size.width) [[unlikely]] {
    throw std::invalid_argument(joined(name, ": expected shape ",
                                       shape_text(size.height, size.width), ", got ",
                                       shape_text(image.height, image.width)));
  }
  require(image.data != nullptr, name, ": expected an array, got a null pointer");
}

// An image that may be left out: without data.
template <class T>
void require_shape_if_any(Image<T> image, ImageSize size, const char* name) {
  if (image.data != nullptr) require_shape(image, size, name);
}

// An image of any size, with pixels.
inline void require_pixels(ImageView image, const char* name) {
  if (image.data == nullptr || image.height < 1 || image.width < 1) [[unlikely]] {
    throw std::invalid_argument(joined(name, ": expected a non-empty image [H, W], got ",
                                       image.data == nullptr
                                           ? std::string("a null pointer")
                                           : shape_text(image.height, image.width)));
  }
}

template <class T>
void require_length(std::span<T> values, std::int64_t expected, const char* name) {
  require(static_cast<std::int64_t>(values.size()) == expected, name, ": expected length ",
          expected, ", got ", values.size());
}

}  // namespace spotcore
