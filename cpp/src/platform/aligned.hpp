// Zeroed float memory on cache-line boundaries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>

namespace spotcore {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : data_(static_cast<float*>(::operator new[](bytes(size), kAlignment))) {
    std::fill_n(data_.get(), size, 0.0F);
  }
  float* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static std::size_t bytes(std::size_t size) {
    if (size > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(float)) {
      throw std::bad_array_new_length();
    }
    return std::max<std::size_t>(size, 1) * sizeof(float);
  }
  struct Free {
    void operator()(float* p) const { ::operator delete[](p, kAlignment); }
  };
  std::unique_ptr<float[], Free> data_;
};

}  // namespace spotcore
