// The operations of ops.hpp on the CPU: checks, then kernels over a pool of threads.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "cpu/data_fit.hpp"
#include "cpu/group_shrink.hpp"
#include "cpu/normal_solve.hpp"
#include "cpu/observation_plan.hpp"
#include "platform/aligned.hpp"
#include "platform/checks.hpp"
#include "spotcore/ops.hpp"

namespace spotcore {
namespace {

bool blocked(ImageView mask, std::int64_t p) {
  return mask.data != nullptr && mask.data[p] == 0.0F;
}

class CpuOperations final : public Operations {
 public:
  CpuOperations(const SeparableKernels& kernels, std::int64_t height, std::int64_t width,
                Execution execution, const Preconditioner* preconditioner)
      : isa_(isa_from_name(execution.isa)),
        fit_(data_fit(isa_)),
        pool_(execution.threads, std::move(execution.interrupted)),
        plan_(kernels, {height, width}, isa_, pool_),
        partial_(static_cast<std::size_t>(std::max(block_count(height * width), plan_.blocks()))) {
    for (int worker = 0; worker < pool_.size(); ++worker) {
      blocks_.emplace_back(static_cast<std::size_t>(plan_.bins() * kShrinkPixels));
    }
    if (preconditioner == nullptr) return;
    normal_floor_ = preconditioner->floor;
    normal_ = std::make_unique<NormalSolve>(*preconditioner, plan_.size(), isa_, pool_);
  }

  std::int64_t bins() const override { return plan_.bins(); }
  std::int64_t height() const override { return plan_.size().height; }
  std::int64_t width() const override { return plan_.size().width; }

  void separable_conv(StackView x, StackSpan y) override {
    check(x, "x");
    check(y, "y");
    plan_.separable_conv(x, y);
  }

  void forward(StackView a, ImageSpan d) override {
    check(a, "a");
    check(d, "d");
    plan_.forward(a, d);
  }

  void adjoint(ImageView d, StackSpan a) override {
    check(d, "d");
    check(a, "a");
    plan_.adjoint(d, a);
  }

  double group_shrink(StackView x, const Shrinkage& shrinkage, StackSpan y) override {
    check(x, "x");
    check(y, "y");
    check_shrinkage(shrinkage, bins());
    const ShrinkPixels kernel = shrink_kernel(isa_);
    ShrinkArguments args{x.data, y.data, x.pixels(), block_of(shrinkage)};
    return sum_blocks(pool_, x.pixels(), partial_,
                      [&, args](std::int64_t p0, std::int64_t pixels, int worker) {
                        ShrinkArguments mine = args;
                        mine.block.pixels = pixels;
                        return kernel(mine, p0, block_memory(worker));
                      });
  }

  double fista_step(ImageView residual, StackView a, StackView a_prev, ImageView mask, float step,
                    float alpha, const Shrinkage& shrinkage, StackSpan next,
                    ImageSpan A_next) override {
    check(residual, "residual");
    check(a, "a");
    check(a_prev, "a_prev");
    check_if_any(mask, "mask");
    check_number(step, "step");
    check_number(alpha, "alpha");
    check_shrinkage(shrinkage, bins());
    check(next, "next");
    check(A_next, "A_next");
    const StepPixels kernel = step_kernel(isa_);
    const StepArguments args{a.data,       a_prev.data, mask.data, next.data,
                             plan_.size(), step,        alpha,     block_of(shrinkage)};
    return sweep(residual, next, A_next, [&](const Block& block, float* values) {
      StepArguments mine = args;
      mine.block.pixels = block.pixels();
      return kernel(mine, block, values);
    });
  }

  double primal_dual_step(ImageView nu, StackSpan e, ImageView mask, float step, float relaxation,
                          const Shrinkage& shrinkage, StackSpan z, ImageSpan Az) override {
    check(nu, "nu");
    if (e.data != nullptr) check(e, "e");
    check_if_any(mask, "mask");
    check_number(step, "step");
    check_number(relaxation, "relaxation");
    check_shrinkage(shrinkage, bins());
    check(z, "z");
    check(Az, "Az");
    const PrimalDualPixels kernel = primal_dual_kernel(isa_);
    const PrimalDualArguments args{e.data,     mask.data,          z.data, plan_.size(), step,
                                   relaxation, block_of(shrinkage)};
    return sweep(nu, z, Az, [&](const Block& block, float* values) {
      PrimalDualArguments mine = args;
      mine.block.pixels = block.pixels();
      return kernel(mine, block, values);
    });
  }

  double dual_residual(ImageView nu, ImageView Az, ImageView d, ImageView w, float step_y,
                       float relaxation, ImageSpan e_y, ImageSpan Ae, ImageSpan residual) override {
    check(nu, "nu");
    check(Az, "Az");
    check(d, "d");
    check_if_any(w, "w");
    require(step_y >= 0.0F, "step_y: expected a number >= 0, got ", step_y);
    check_number(relaxation, "relaxation");
    check(e_y, "e_y");
    check(Ae, "Ae");
    check(residual, "residual");
    const DualArguments args{nu.data,    Az.data,  d.data,  w.data,       step_y,
                             relaxation, e_y.data, Ae.data, residual.data};
    return sum_blocks(pool_, d.size(), partial_, [&](std::int64_t p0, std::int64_t n, int) {
      return fit_.dual_residual(args, p0, n);
    });
  }

  void normal_solve(ImageView r, float c, float relaxation, ImageSpan x) override {
    check(r, "r");
    check(x, "x");
    if (!normal_) throw std::logic_error("normal_solve: the plan has no preconditioner");
    require(c > 0.0F, "c: expected a number > 0, got ", c);
    check_number(relaxation, "relaxation");
    normal_->apply(r, c, relaxation, x);
  }
  float normal_floor() const override { return normal_floor_; }

  double residual(ImageView Aa, ImageView Aa_prev, float alpha, ImageView d, ImageView w,
                  ImageSpan residual) override {
    check(Aa, "Aa");
    check(Aa_prev, "Aa_prev");
    check_number(alpha, "alpha");
    check(d, "d");
    check_if_any(w, "w");
    check(residual, "residual");
    const ResidualArguments args{Aa.data, Aa_prev.data, d.data, w.data, alpha, residual.data};
    return sum_blocks(pool_, d.size(), partial_, [&](std::int64_t p0, std::int64_t n, int) {
      return fit_.residual(args, p0, n);
    });
  }

  double background_ratio(StackView v, StackView q, ImageView mask,
                          std::span<const float> xi) override {
    check(v, "v");
    check(q, "q");
    check_if_any(mask, "mask");
    check_xi(xi, bins());
    max_blocks(v.pixels(), [&](std::int64_t p0, std::int64_t pixels) {
      double ratio = 0;
      for (std::int64_t k = 0; k < v.bins; ++k) {
        if (xi[static_cast<std::size_t>(k)] != 0.0F) continue;
        for (std::int64_t p = p0; p < p0 + pixels; ++p) {
          if (blocked(mask, p) || v.plane(k)[p] <= 0.0F) continue;
          // v > 0 where q = 0 cannot be mended by any rho: infinity says so.
          ratio = std::max(ratio, double{v.plane(k)[p]} / std::max(0.0, double{q.plane(k)[p]}));
        }
      }
      return ratio;
    });
    return max_partial(v.pixels());
  }

  double dual_norm(StackView v, StackView q, float rho, ImageView mask,
                   std::span<const float> xi) override {
    check(v, "v");
    if (q.data != nullptr) check(q, "q");
    check_number(rho, "rho");
    check_if_any(mask, "mask");
    check_xi(xi, bins());
    max_blocks(v.pixels(), [&](std::int64_t p0, std::int64_t pixels) {
      double squares[kShrinkPixels] = {};
      for (std::int64_t k = 0; k < v.bins; ++k) {
        const double weight = xi[static_cast<std::size_t>(k)];
        if (weight == 0.0) continue;
        const float* vk = v.plane(k) + p0;
        const float* qk = q.data == nullptr ? nullptr : q.plane(k) + p0;
        for (std::int64_t p = 0; p < pixels; ++p) {
          const double value = qk == nullptr ? double{vk[p]} : double{vk[p]} - double{rho} * qk[p];
          if (value > 0) squares[p] += value / weight * (value / weight);
        }
      }
      double largest = 0;
      for (std::int64_t p = 0; p < pixels; ++p) {
        if (!blocked(mask, p0 + p)) largest = std::max(largest, squares[p]);
      }
      return largest;
    });
    return std::sqrt(max_partial(v.pixels()));
  }

 private:
  template <class T>
  void check(Stack<T> stack, const char* name) const {
    require_shape(stack, bins(), plan_.size(), name);
  }
  template <class T>
  void check(Image<T> image, const char* name) const {
    require_shape(image, plan_.size(), name);
  }
  void check_if_any(ImageView image, const char* name) const {
    require_shape_if_any(image, plan_.size(), name);
  }
  // Infinity passes: where an iteration overflows, the objective says so.
  static void check_number(float value, const char* name) {
    require(!std::isnan(value), name, ": expected a number, got ", value);
  }

  static ShrinkBlock block_of(const Shrinkage& shrinkage) {
    return {0, shrinkage.gamma, shrinkage.xi, equal_weight(shrinkage.xi)};
  }

  // `body` on every block of A* image; the sum of what it returns, in a fixed order.
  template <class Body>
  double sweep(ImageView image, StackView next, ImageSpan A_next, const Body& body) {
    plan_.sweep(
        image,
        [&](const Block& block, float* values, int) {
          partial_[static_cast<std::size_t>(block.index)] = body(block, values);
        },
        next, A_next);
    double sum = 0;
    for (std::int64_t b = 0; b < plan_.blocks(); ++b) sum += partial_[static_cast<std::size_t>(b)];
    return sum;
  }
  template <class Body>
  double sweep(ImageView image, StackSpan next, ImageSpan A_next, const Body& body) {
    return sweep(image, StackView{next.data, next.bins, next.height, next.width}, A_next, body);
  }

  float* block_memory(int worker) { return blocks_[static_cast<std::size_t>(worker)].get(); }

  // Leaves what `block` returns for each block in partial_.
  template <class Block>
  void max_blocks(std::int64_t pixels, const Block& block) {
    sum_blocks(pool_, pixels, partial_,
               [&](std::int64_t p0, std::int64_t n, int) { return block(p0, n); });
  }

  double max_partial(std::int64_t pixels) const {
    return *std::max_element(partial_.begin(), partial_.begin() + block_count(pixels));
  }

  Isa isa_;
  DataFit fit_;
  ThreadPool pool_;
  ObservationPlan plan_;
  std::vector<double> partial_;
  std::unique_ptr<NormalSolve> normal_;  // null without a preconditioner
  float normal_floor_ = 0;
  std::vector<AlignedBuffer> blocks_;  // one per worker, [K, kShrinkPixels]
};

}  // namespace

std::unique_ptr<Operations> make_cpu_operations(const SeparableKernels& kernels,
                                                std::int64_t height, std::int64_t width,
                                                Execution execution,
                                                const Preconditioner* preconditioner) {
  return std::make_unique<CpuOperations>(kernels, height, width, std::move(execution),
                                         preconditioner);
}

}  // namespace spotcore
