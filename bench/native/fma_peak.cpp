// Prints the multiply-add rate of this processor in GFLOP/s: fma_peak [threads]
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "platform/threads.hpp"

#define SPOTCORE_KERNEL "fma_peak.kernel.hpp"
#include "platform/foreach_isa.hpp"

using namespace spotcore;

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 0, {});
  const auto kernel = SPOTCORE_FOR_ISA(isa_from_name("auto"), multiply_adds);
  std::vector<float> sink(static_cast<std::size_t>(pool.size()) * 64);
  std::vector<double> rates;
  for (int run = 0; run < 21; ++run) {
    std::vector<double> done(static_cast<std::size_t>(pool.size()));
    const auto start = Clock::now();
    pool.run(pool.size(), [&](std::int64_t task, int) {
      const auto i = static_cast<std::size_t>(task);
      done[i] = kernel(1'000'000, 0.5F, sink.data() + 64 * i);
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    double total = 0;
    for (const double operations : done) total += operations;
    rates.push_back(total / seconds / 1e9);
  }
  std::sort(rates.begin(), rates.end());
  std::printf("%.1f\n", rates[rates.size() / 2]);
  return 0;
}
