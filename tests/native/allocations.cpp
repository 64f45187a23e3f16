#include "allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::int64_t> count{0};

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

constexpr std::size_t kDefault = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

std::int64_t check::allocations() { return count.load(); }

using Alignment = std::align_val_t;
using Nothrow = std::nothrow_t;
void* operator new(std::size_t n) { return allocate_or_throw(n, kDefault); }
void* operator new[](std::size_t n) { return allocate_or_throw(n, kDefault); }
void* operator new(std::size_t n, Alignment a) { return allocate_or_throw(n, std::size_t(a)); }
void* operator new[](std::size_t n, Alignment a) { return allocate_or_throw(n, std::size_t(a)); }
void* operator new(std::size_t n, const Nothrow&) noexcept { return allocate(n, kDefault); }
void* operator new[](std::size_t n, const Nothrow&) noexcept { return allocate(n, kDefault); }
void* operator new(std::size_t n, Alignment a, const Nothrow&) noexcept {
  return allocate(n, std::size_t(a));
}
void* operator new[](std::size_t n, Alignment a, const Nothrow&) noexcept {
  return allocate(n, std::size_t(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, Alignment) noexcept { std::free(p); }
void operator delete[](void* p, Alignment) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, Alignment) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, Alignment) noexcept { std::free(p); }
void operator delete(void* p, const Nothrow&) noexcept { std::free(p); }
void operator delete[](void* p, const Nothrow&) noexcept { std::free(p); }
void operator delete(void* p, Alignment, const Nothrow&) noexcept { std::free(p); }
void operator delete[](void* p, Alignment, const Nothrow&) noexcept { std::free(p); }
