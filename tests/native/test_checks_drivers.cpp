// Every argument of plans and drivers that can be wrong is refused, by its name.
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "spotcore/solvers.hpp"
#include "wrong_arguments.hpp"

using namespace spotcore;
using namespace wrong;

// --- Plans ---------------------------------------------------------------------------------------

TEST_CASE("a plan refuses kernels, sizes and threads by name") {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const SeparableKernel good{1, 3, {1, 2, 1}};
  const std::vector<float> low{1, 2, 3, 2, 1};
  for (const SeparableKernel& wrong :
       std::vector<SeparableKernel>{{0, 3, {}},
                                    {-1, 3, {1, 2, 1}},
                                    {1, 0, {}},
                                    {1, 2, {1, 1}},
                                    {1, -3, {1, 2, 1}},
                                    {1, 5, {1, 2, 1}},
                                    {2, 3, {1, 2, 1}},
                                    {kHuge, 3, {1, 2, 1}},
                                    {kHuge, 4 * (kHuge / 4) + 1, {}},
                                    {1, 3, {1, 2, 3}},
                                    {1, 1, {kNaN}},
                                    {1, 3, {1, 2, 1}, 0},
                                    {1, 3, {1, 2, 1}, -2, low},
                                    {1, 3, {1, 2, 1}, 1, low},
                                    {1, 3, {1, 2, 1}, 2},
                                    {1, 3, {1, 2, 1}, 2, {1, 1}},
                                    {1, 3, {1, 2, 1}, 6, low},
                                    {1, 3, {1, 2, 1}, kHuge, low},
                                    {1, 3, {1, 2, 1}, 2, {1, 2, 3}},
                                    {1, 3, {1, 2, 1}, 2, {1, kNaN, 1}}}) {
    refused("make_cpu_operations",
            "factors[1]:", [&] { make_cpu_operations({good, wrong}, kHeight, kWidth); });
    refused("norm_squared_bound", "factors[1]:", [&] { norm_squared_bound({good, wrong}); });
  }
  CHECK_THROWS(make_cpu_operations({{1, 3, {0, 0, 0}}}, kHeight, kWidth), std::invalid_argument);
  refused("make_cpu_operations", "factors:", [] { make_cpu_operations({}, kHeight, kWidth); });
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{0, 4},
                                      {4, 0},
                                      {-4, -4},
                                      {kHuge, 4},
                                      {kHuge, kHuge}}) {
    refused("make_cpu_operations", "image size:", [&, height = height, width = width] {
      make_cpu_operations({good}, height, width);
    });
  }
  refused("make_cpu_operations",
          "threads:", [&] { make_cpu_operations({good}, 4, 4, {-1, "auto", {}}); });
  refused("make_cpu_operations",
          "isa:", [&] { make_cpu_operations({good}, 4, 4, {1, "avx9", {}}); });
}

TEST_CASE("a plan refuses every part of a preconditioner that does not fit") {
  const Preconditioner right{flat_basis(kHeight), flat_basis(kWidth), std::vector<float>(4, 1.0F),
                             0.1F, 2.0F};
  const auto attempt = [&](const std::function<void(Preconditioner&)>& spoil) {
    Preconditioner wrong = right;
    spoil(wrong);
    refused("make_cpu_operations", "preconditioner:", [&] {
      make_cpu_operations(kKernels, kHeight, kWidth, {1, "auto", {}}, &wrong);
    });
  };
  for (const auto axis : {&Preconditioner::rows, &Preconditioner::columns}) {
    attempt([&](Preconditioner& p) { ++(p.*axis).size; });
    attempt([&](Preconditioner& p) { (p.*axis).size = 0; });
    attempt([&](Preconditioner& p) { (p.*axis).even.pop_back(); });
    attempt([&](Preconditioner& p) { (p.*axis).even.clear(); });
    attempt([&](Preconditioner& p) { (p.*axis).odd.pop_back(); });
    attempt([&](Preconditioner& p) { (p.*axis).odd.assign(20 * (p.*axis).odd.size(), 0.1F); });
  }
  attempt([](Preconditioner& p) { p.eigenvalues.pop_back(); });
  attempt([](Preconditioner& p) { p.eigenvalues.clear(); });
  for (const float wrong : {kNaN, -1.0F, std::numeric_limits<float>::infinity()}) {
    attempt([&](Preconditioner& p) { p.eigenvalues[3] = wrong; });
    attempt([&](Preconditioner& p) { p.floor = wrong; });
    attempt([&](Preconditioner& p) { p.scale = wrong; });
  }
  attempt([](Preconditioner& p) { p.floor = 0; });
  attempt([](Preconditioner& p) { p.scale = 0.9F; });
}

// --- Drivers -------------------------------------------------------------------------------------

TEST_CASE("drivers and the certificate refuse every wrong part of a problem, by name") {
  const auto ops = plan();
  std::vector<float> d(kHeight * kWidth, 1.0F), w = d, mask = d, xi{1, 0};
  std::vector<float> memory(kBins * kHeight * kWidth, 1.0F);
  ImageSpan image{d.data(), kHeight, kWidth}, weights{w.data(), kHeight, kWidth};
  ImageSpan allowed{mask.data(), kHeight, kWidth};
  StackSpan a{memory.data(), kBins, kHeight, kWidth};
  std::span<const float> bins = xi;
  double lambda = 0.5;
  FistaOptions options;
  options.max_iter = 2;
  options.step = 0.001;
  const auto problem = [&] {
    const auto seen = [](ImageSpan span) { return ImageView{span.data, span.height, span.width}; };
    return Problem{seen(image), seen(weights), seen(allowed), bins, lambda};
  };
  const std::map<std::string, std::function<void()>> drivers{
      {"fista", [&] { fista(*ops, problem(), options, a); }},
      {"primal_dual", [&] { primal_dual(*ops, problem(), options, false, a); }},
      {"Certificate", [&] { Certificate(*ops, problem()); }},
  };
  for (const auto& [name, call] : drivers) {
    const auto attempt = [&, name = name, call = call](const char* argument) {
      return [=] { refused(name, argument, call); };
    };
    call();
    each_wrong_image(image, false, attempt("image:"));
    each_wrong_image(weights, true, attempt("w:"));
    each_wrong_image(allowed, true, attempt("mask:"));
    for (const std::size_t length : {0, 1}) {
      bins = std::span<const float>(xi).first(length);
      attempt("xi:")();
    }
    bins = xi;
    for (const double wrong : {-1.0, double{kNaN}, std::numeric_limits<double>::infinity()}) {
      lambda = wrong;
      attempt("lambda:")();
    }
    lambda = 0.5;
    if (name == "Certificate") continue;
    each_wrong_stack(a, false, attempt("a:"));
    const auto spoiled = [&](const char* argument, auto& option, auto wrong) {
      const auto right = std::exchange(option, wrong);
      attempt(argument)();
      option = right;
    };
    spoiled("max_iter:", options.max_iter, -1);
    spoiled("check_every:", options.check_every, 0);
    spoiled("tol:", options.tol, double{kNaN});
    spoiled("tol:", options.tol, -1.0);
    spoiled("gap_tol:", options.gap_tol, -1.0);
    if (name != "fista") continue;
    spoiled("step:", options.step, 0.0);
    spoiled("step:", options.step, double{kNaN});
    options.momentum = Momentum::chambolle_dossal;
    spoiled("momentum_a:", options.momentum_a, 2.0);
    spoiled("momentum_a:", options.momentum_a, std::numeric_limits<double>::infinity());
    options.momentum = Momentum::beck_teboulle;
  }

  Certificate certificate(*ops, problem());
  const auto update = [&] { certificate.update({image.data, image.height, image.width}, a); };
  const auto update_dual = [&] {
    certificate.update_dual({image.data, image.height, image.width}, 0, a);
  };
  each_wrong_image(image, false, [&] { refused("update", "Aa:", update); });
  each_wrong_stack(a, false, [&] { refused("update", "workspace:", update); });
  each_wrong_image(image, false, [&] { refused("update_dual", "nu:", update_dual); });
  each_wrong_stack(a, false, [&] { refused("update_dual", "workspace:", update_dual); });
  refused("update_dual", "repairs:", [&] { certificate.update_dual(problem().image, -1, a); });

  refused("norm_squared", "tol:", [&] { norm_squared(*ops, -1.0); });
  refused("norm_squared", "max_iter:", [&] { norm_squared(*ops, 1e-6, 0); });
  refused("preconditioner_ratio", "iterations:", [&] { preconditioner_ratio(*ops, 0); });
}
