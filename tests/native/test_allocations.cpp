// Nothing is allocated while a plan runs, as ops.hpp says: neither by an iteration of a driver,
// whatever it is asked for, nor by a network.
#include "allocations.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "check.hpp"
#include "network_weights.hpp"
#include "small_well.hpp"

using namespace spotcore;

namespace {

constexpr std::int64_t kIterations = 10;

// What was allocated from the end of the first iteration to that of the last, and by each.
class Meter {
 public:
  bool operator()(const Progress& now) {
    const std::int64_t seen = check::allocations();
    if (now.iteration == 1) first_ = seen;
    last_ = seen;
    return now.iteration > kIterations;
  }
  std::int64_t between() const { return last_ - first_; }

 private:
  std::int64_t first_ = -1, last_ = 0;
};

void set(StopOptions& options, Meter& meter, bool with_gap) {
  options.tol = 0;
  options.check_every = 1;
  options.refresh_gap = with_gap;
  options.gap_tol = with_gap ? 1e-30 : 0;  // asks for the repaired gap, and never reaches it
  options.progress = [&meter](const Progress& now) { return meter(now); };
}

// On the image's grid, and on a coarser one: the two ways that a kernel is applied.
SeparableKernels mixed_kernels() {
  return {{1, 5, {0.05F, 0.25F, 0.4F, 0.25F, 0.05F}},
          {2, 5, {1, 2, 4, 2, 1, -1, 1, 2, 1, -1}, 2, {0.1F, 0.2F, 0.4F, 0.2F, 0.1F}}};
}

// The operations of a plan by name, each with right arguments.
struct Everything {
  static constexpr std::int64_t kHeight = 70, kWidth = 90, kBins = 2;
  static constexpr std::size_t kPixels = kHeight * kWidth;

  std::unique_ptr<Operations> ops;
  std::vector<float> images = check::Random(5).vector(8 * kPixels);
  std::vector<float> stacks = check::Random(6).vector(4 * kBins * kPixels);
  std::vector<float> xi = {1, 0.5F};

  Everything() {
    const auto axis = [](std::int64_t size) {
      AxisBasis basis{size, {}, {}};
      basis.even.assign(static_cast<std::size_t>(basis.even_half()), 0.1F);
      basis.odd.assign(static_cast<std::size_t>(basis.odd_half()), 0.1F);
      return basis;
    };
    const Preconditioner made{axis(kHeight), axis(kWidth), std::vector<float>(4, 1.0F), 0.1F, 2.0F};
    ops = make_cpu_operations(mixed_kernels(), kHeight, kWidth, {2, "auto", {}}, &made);
  }
  ImageSpan image(std::size_t i) { return {images.data() + i * kPixels, kHeight, kWidth}; }
  ImageView seen(std::size_t i) { return {image(i).data, kHeight, kWidth}; }
  StackSpan stack(std::size_t i) {
    return {stacks.data() + i * kBins * kPixels, kBins, kHeight, kWidth};
  }
  StackView seen_stack(std::size_t i) { return {stack(i).data, kBins, kHeight, kWidth}; }

  void run() {
    const Shrinkage shrinkage{0.1F, xi};
    ops->separable_conv(seen_stack(0), stack(1));
    ops->forward(seen_stack(0), image(0));
    ops->adjoint(seen(0), stack(0));
    ops->group_shrink(seen_stack(0), shrinkage, stack(1));
    ops->fista_step(seen(0), seen_stack(0), seen_stack(1), seen(1), 0.1F, 0.2F, shrinkage, stack(2),
                    image(2));
    ops->primal_dual_step(seen(0), stack(0), seen(1), 0.1F, 1.0F, shrinkage, stack(1), image(2));
    ops->dual_residual(seen(0), seen(1), seen(2), seen(3), 0.1F, 1.0F, image(4), image(5),
                       image(6));
    ops->normal_solve(seen(0), 0.5F, 1.0F, image(1));
    ops->residual(seen(0), seen(1), 0.1F, seen(2), seen(3), image(4));
    ops->background_ratio(seen_stack(0), seen_stack(1), seen(0), xi);
    ops->dual_norm(seen_stack(0), seen_stack(1), 0.1F, seen(0), xi);
  }
};

}  // namespace

TEST_CASE("the count counts every form of operator new") {
  const std::int64_t before = check::allocations();
  // Not new-expressions, which a compiler may leave out.
  ::operator delete(::operator new(8));
  ::operator delete[](::operator new[](8));
  ::operator delete(::operator new(8, std::align_val_t{64}), std::align_val_t{64});
  ::operator delete[](::operator new[](8, std::align_val_t{64}), std::align_val_t{64});
  ::operator delete(::operator new(8, std::nothrow));
  CHECK(check::allocations() - before == 5);
  const std::vector<float> vector(5);
  CHECK(check::allocations() - before == 6);
}

TEST_CASE("no operation of a plan allocates") {
  Everything everything;
  const std::int64_t before = check::allocations();
  for (int i = 0; i < 10; ++i) everything.run();
  CHECK(check::allocations() == before);
}

TEST_CASE("no iteration of FISTA allocates, with a gap at each or without") {
  for (const bool with_gap : {false, true}) {
    for (const float background : {1.0F, 0.0F}) {
      SmallWell well;
      well.xi[1] = background;
      Meter meter;
      FistaOptions options;
      set(options, meter, with_gap);
      CHECK(well.solve(options).last.iteration == kIterations + 1);
      CHECK(meter.between() == 0);
    }
  }
}

TEST_CASE("no iteration of the primal-dual method allocates, with a repaired gap or without") {
  for (const bool with_gap : {false, true}) {
    for (const float background : {1.0F, 0.0F}) {
      SmallWell well;
      well.xi[1] = background;
      Meter meter;
      StopOptions options;
      set(options, meter, with_gap);
      options.max_iter = kIterations + 1;  // settled from the last fifth on: repairs are asked for
      CHECK(well.solve_primal_dual(options).last.iteration == kIterations + 1);
      CHECK(meter.between() == 0);
    }
  }
}

TEST_CASE("a longer power iteration allocates no more than a short one") {
  SmallWell well;
  const auto allocated = [&](int iterations) {
    const std::int64_t before = check::allocations();
    norm_squared(*well.ops, 0.0, iterations);
    preconditioner_ratio(*well.ops, iterations);
    return check::allocations() - before;
  };
  CHECK(allocated(1) == allocated(11));
}

TEST_CASE("no pass of a network allocates, on images of any size") {
  const auto passes = [](Network& network) {
    const std::vector<float> images = draw(2 * 70 * 90, 1.0F);
    std::vector<float> maps(images.size() * static_cast<std::size_t>(network.bins()));
    std::vector<float> scores(images.size());
    const std::int64_t before = check::allocations();
    for (int i = 0; i < 10; ++i) {
      network.run({images.data(), 2, 70, 90}, maps, scores);
      network.run({images.data(), 3, 20, 210}, {}, scores);
    }
    return check::allocations() - before;
  };
  for (const int threads : {1, 3}) {
    for (const auto kind : {Nonlinearity::soft, Nonlinearity::group_nonneg}) {
      CHECK(passes(*make_spotnet(spotnet_weights(3, 9, 5, kind), {threads, "auto", {}})) == 0);
    }
    CHECK(passes(*make_convnet(convnet_weights(), {threads, "auto", {}})) == 0);
  }
}

TEST_CASE("no pass of an hourglass allocates, once it has seen the largest view") {
  for (const int threads : {1, 3}) {
    const auto network = make_hourglass(hourglass_weights(), {threads, "auto", {}});
    const std::vector<float> view = draw(2 * 60 * 60, 1.0F);
    std::vector<float> cells(4 * 60 * 60), kinds(6 * 30 * 30);
    const auto pass = [&](std::int64_t height, std::int64_t width) {
      const auto pixels = static_cast<std::size_t>(height * width);
      network->run({view.data(), 2, height, width}, std::span(cells).first(4 * pixels),
                   std::span(kinds).first(6 * pixels / 4));
    };
    pass(60, 60);
    const std::int64_t before = check::allocations();
    for (const auto& [height, width] : {std::pair{60, 60}, {8, 40}, {40, 8}, {60, 60}}) {
      pass(height, width);
    }
    CHECK(check::allocations() == before);
  }
}
