// The few lines of a test framework that these tests need: named cases, checks that report where
// they failed, and a run that goes on after a failure.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace check {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Case {
  std::string name;
  std::function<void()> run;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Register {
  Register(const char* name, std::function<void()> run) {
    cases().push_back({name, std::move(run)});
  }
};

// Deterministic uniform numbers in [-1, 1).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2862933555777941757ULL + 3037000493ULL) {}
  float next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<float>(static_cast<std::int32_t>(state_ >> 32)) * 0x1p-31F;
  }
  std::vector<float> vector(std::size_t n) {
    std::vector<float> out(n);
    for (float& value : out) value = next();
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
#define TEST_CASE(name)                                              \
  static void CHECK_JOIN(test_case_, __LINE__)();                    \
  static const check::Register CHECK_JOIN(test_register_, __LINE__)( \
      name, &CHECK_JOIN(test_case_, __LINE__));                      \
  static void CHECK_JOIN(test_case_, __LINE__)()
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      throw check::Failure(std::string(__FILE__) + ":" + std::to_string(__LINE__) + \
                           ": " #condition);                                        \
    }                                                                               \
  } while (false)
#define CHECK_THROWS(expression, Type)                                              \
  do {                                                                              \
    bool thrown = false;                                                            \
    try {                                                                           \
      expression;                                                                   \
    } catch (const Type&) {                                                         \
      thrown = true;                                                                \
    }                                                                               \
    if (!thrown) {                                                                  \
      throw check::Failure(std::string(__FILE__) + ":" + std::to_string(__LINE__) + \
                           ": no " #Type " from " #expression);                     \
    }                                                                               \
  } while (false)
