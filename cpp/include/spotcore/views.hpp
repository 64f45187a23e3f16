// Shape-carrying views over memory that somebody else owns: row-major, contiguous, float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spotcore {

// One image, [H, W].
template <class T>
struct Image {
  T* data = nullptr;
  std::int64_t height = 0;
  std::int64_t width = 0;

  std::int64_t size() const { return height * width; }
  T* row(std::int64_t y) const { return data + y * width; }
};

// One image per sigma bin, [K, H, W].
template <class T>
struct Stack {
  T* data = nullptr;
  std::int64_t bins = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;

  std::int64_t pixels() const { return height * width; }
  std::int64_t size() const { return bins * pixels(); }
  T* plane(std::int64_t k) const { return data + k * pixels(); }
  Image<T> image(std::int64_t k) const { return {plane(k), height, width}; }
};

using ImageView = Image<const float>;
using ImageSpan = Image<float>;
using StackView = Stack<const float>;
using StackSpan = Stack<float>;

}  // namespace spotcore
