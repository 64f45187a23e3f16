#include "platform/threads.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "spotcore/status.hpp"

using spotcore::ThreadPool;

TEST_CASE("every task runs exactly once, region after region") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads, {});
    CHECK(pool.size() == threads);
    for (int region = 0; region < 500; ++region) {
      const std::int64_t tasks = region % 17;
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      pool.run(tasks, [&](std::int64_t task, int worker) {
        if (worker >= 0 && worker < threads) ++runs[static_cast<std::size_t>(task)];
      });
      for (const auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST_CASE("an interruption drops the tasks not yet begun, and the pool goes on") {
  bool stop = true;
  ThreadPool pool(2, [&] { return stop; });
  std::atomic<int> ran = 0;
  const auto slow = [&](std::int64_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++ran;
  };
  CHECK_THROWS(pool.run(1000, slow), spotcore::Interrupted);
  CHECK(ran < 200);
  stop = false;
  ran = 0;
  pool.run(8, slow);
  CHECK(ran == 8);
}
