#include "platform/isa.hpp"

#include <cstdlib>
#include <stdexcept>

#include "platform/threads.hpp"
#include "spotcore/ops.hpp"

namespace spotcore {
namespace {

struct Target {
  const char* name;
  Isa isa;
  bool (*runs_here)();
};

#if SPOTCORE_X86_TARGETS
// libgcc's check includes whether the operating system saves the registers.
bool has_v4() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif
bool always() { return true; }

// Best first.
constexpr Target kTargets[] = {
#if SPOTCORE_X86_TARGETS
    {"v4", Isa::v4, has_v4},
    {"v3", Isa::v3, has_v3},
#endif
    {"baseline", Isa::baseline, always},
};

}  // namespace

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const Target& target : kTargets) {
    if (target.runs_here()) names.emplace_back(target.name);
  }
  return names;
}

std::string isa_default() {
  const char* forced = std::getenv("SPOTCORE_ISA");
  return forced != nullptr && *forced != '\0' ? forced : isa_names().front();
}

int thread_default() { return processors_available(); }

Isa isa_from_name(const std::string& name) {
  const std::string wanted = name == "auto" ? isa_default() : name;
  for (const Target& target : kTargets) {
    if (target.name == wanted && target.runs_here()) return target.isa;
  }
  std::string expected = "auto";
  for (const std::string& known : isa_names()) expected += ", " + known;
  throw std::invalid_argument("isa: expected one of " + expected + " on this processor, got '" +
                              wanted + "'");
}

}  // namespace spotcore
