// Prints the rate in GB/s at which `y += alpha (x - y)` passes over two arrays as large as the
// iterates of a solve (K = 8, 512 x 512), counting two reads and a write: stream_rate [threads]
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "platform/aligned.hpp"
#include "platform/threads.hpp"

using namespace spotcore;

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kFloats = 8 * 512 * 512, kBlock = 1 << 14;
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 0, {});
  AlignedBuffer x(kFloats), y(kFloats);
  std::vector<double> rates;
  for (int run = 0; run < 41; ++run) {
    const auto start = Clock::now();
    pool.run(kFloats / kBlock, [&](std::int64_t task, int) {
      const float* __restrict from = x.get() + task * kBlock;
      float* __restrict to = y.get() + task * kBlock;
      for (std::int64_t i = 0; i < kBlock; ++i) to[i] += 0.5F * (from[i] - to[i]);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    rates.push_back(3 * sizeof(float) * kFloats / seconds / 1e9);
  }
  std::sort(rates.begin(), rates.end());
  std::printf("%.1f\n", rates[rates.size() / 2]);
  return 0;
}
