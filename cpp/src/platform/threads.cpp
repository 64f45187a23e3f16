#include "platform/threads.hpp"

#include <algorithm>

#include "platform/checks.hpp"
#include "spotcore/status.hpp"

namespace spotcore {
namespace {

// The parallel regions of one iteration follow each other within microseconds: a worker that looks
// again for a moment before it sleeps saves a wake-up per region.
constexpr int kSpins = 2000;
constexpr auto kInterruptInterval = std::chrono::milliseconds(50);

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

template <class T>
void wait_while_equal(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

int processors_available() {
  // glibc counts the processors of this process's affinity mask.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads, std::function<bool()> interrupted)
    : interrupted_(std::move(interrupted)), last_asked_(std::chrono::steady_clock::now()) {
  require(threads >= 0, "threads: expected an integer >= 0, got ", threads);
  const int total = threads > 0 ? threads : processors_available();
  workers_.reserve(static_cast<std::size_t>(total - 1));
  try {
    for (int worker = 1; worker < total; ++worker) {
      workers_.emplace_back([this, worker] { work(worker); });
    }
  } catch (...) {
    // Without this, destroying the workers already started would wait for ever.
    stopping_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
}

void ThreadPool::run(std::int64_t tasks, Body body) {
  body_ = &body;
  tasks_ = tasks;
  dropped_ = false;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();

  take_tasks(0);
  for (int busy = busy_.load(std::memory_order_acquire); busy != 0;
       busy = busy_.load(std::memory_order_acquire)) {
    wait_while_equal(busy_, busy);
  }
  if (dropped_) throw Interrupted();
}

void ThreadPool::take_tasks(int worker) {
  for (;;) {
    const std::int64_t task = next_.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks_) return;
    (*body_)(task, worker);
    if (worker == 0 && ask_interrupted()) {
      dropped_ = true;
      next_.store(tasks_, std::memory_order_relaxed);
      return;
    }
  }
}

bool ThreadPool::ask_interrupted() {
  if (!interrupted_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_asked_ < kInterruptInterval) return false;
  last_asked_ = now;
  return interrupted_();
}

void ThreadPool::work(int worker) {
  std::uint32_t seen = 0;
  for (;;) {
    wait_while_equal(generation_, seen);
    if (stopping_.load()) return;
    // One region ends before the next begins, so the generation moves by one at a time.
    ++seen;
    take_tasks(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace spotcore
