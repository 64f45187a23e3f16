// A small pool of threads that belongs to one plan. No global state, no OpenMP runtime.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "platform/function_ref.hpp"

namespace spotcore {

class ThreadPool {
 public:
  // `threads` = 0: one per processor that this process may use.
  ThreadPool(int threads, std::function<bool()> interrupted);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, worker) once for each task in [0, tasks), worker in [0, size()). The calling
  // thread works too and asks `interrupted` between its tasks: if true, the tasks not yet begun
  // are dropped and Interrupted is thrown. Bodies must not throw. Nothing is allocated.
  using Body = function_ref<void(std::int64_t, int)>;
  void run(std::int64_t tasks, Body body);

 private:
  void work(int worker);
  void take_tasks(int worker);
  bool ask_interrupted();

  std::function<bool()> interrupted_;
  std::chrono::steady_clock::time_point last_asked_;
  const Body* body_ = nullptr;
  std::int64_t tasks_ = 0;
  bool dropped_ = false;  // of the calling thread alone
  std::atomic<std::int64_t> next_{0};
  std::atomic<int> busy_{0};
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> workers_;
};

int processors_available();

}  // namespace spotcore
