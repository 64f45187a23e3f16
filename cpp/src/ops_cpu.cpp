// The operations of ops.hpp on the CPU: checks, then kernels over a pool of threads.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "aligned.hpp"
#include "group_shrink.hpp"
#include "observation.hpp"
#include "spotcore/ops.hpp"

namespace spotcore {
namespace {

bool blocked(ImageView mask, std::int64_t p) {
  return mask.data != nullptr && mask.data[p] == 0.0F;
}

class CpuOperations final : public Operations {
 public:
  CpuOperations(const SeparableKernels& kernels, std::int64_t height, std::int64_t width,
                Execution execution)
      : isa_(isa_from_name(execution.isa)),
        pool_(execution.threads, std::move(execution.interrupted)),
        plan_(kernels, {height, width}, isa_, pool_),
        partial_(static_cast<std::size_t>(block_count(height * width))) {
    for (int worker = 0; worker < pool_.size(); ++worker) {
      blocks_.emplace_back(static_cast<std::size_t>(plan_.bins() * kShrinkPixels));
    }
  }

  std::int64_t bins() const override { return plan_.bins(); }
  std::int64_t height() const override { return plan_.size().height; }
  std::int64_t width() const override { return plan_.size().width; }

  void separable_conv(StackView x, StackSpan y) override {
    check(x, bins(), "x");
    check(y, bins(), "y");
    plan_.separable_conv(x, y);
  }

  void forward(StackView a, ImageSpan d) override {
    check(a, bins(), "a");
    check(stack_of_one(d), 1, "d");
    plan_.forward(a, d);
  }

  void adjoint(ImageView d, StackSpan a) override {
    check(stack_of_one(d), 1, "d");
    check(a, bins(), "a");
    plan_.adjoint(d, a);
  }

  double group_shrink(StackView x, const Shrinkage& shrinkage, StackSpan y) override {
    check(x, bins(), "x");
    check(y, bins(), "y");
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

  double fista_step(StackView gradient, StackView a, StackView a_prev, ImageView mask, float step,
                    float alpha, const Shrinkage& shrinkage, StackSpan next) override {
    check(gradient, bins(), "gradient");
    check(a, bins(), "a");
    check(a_prev, bins(), "a_prev");
    check(next, bins(), "next");
    if (mask.data != nullptr) check(stack_of_one(mask), 1, "mask");
    check_shrinkage(shrinkage, bins());
    const StepPixels kernel = step_kernel(isa_);
    StepArguments args{gradient.data, a.data, a_prev.data, mask.data,          next.data,
                       a.pixels(),    step,   alpha,       block_of(shrinkage)};
    return sum_blocks(pool_, a.pixels(), partial_,
                      [&, args](std::int64_t p0, std::int64_t pixels, int worker) {
                        StepArguments mine = args;
                        mine.block.pixels = pixels;
                        return kernel(mine, p0, block_memory(worker));
                      });
  }

  void residual(ImageView Aa, ImageView Aa_prev, float alpha, ImageView d, ImageView w,
                ImageSpan residual) override {
    sum_blocks(pool_, d.size(), partial_, [&](std::int64_t p0, std::int64_t pixels, int) {
      for (std::int64_t p = p0; p < p0 + pixels; ++p) {
        const float b = Aa.data[p] + alpha * (Aa.data[p] - Aa_prev.data[p]);
        const float weight = w.data == nullptr ? 1.0F : w.data[p];
        residual.data[p] = weight * weight * (b - d.data[p]);
      }
      return 0.0;
    });
  }

  double data_term(ImageView Aa, ImageView d, ImageView w) override {
    return sum_blocks(pool_, d.size(), partial_, [&](std::int64_t p0, std::int64_t pixels, int) {
      double sum = 0;
      for (std::int64_t p = p0; p < p0 + pixels; ++p) {
        const float weight = w.data == nullptr ? 1.0F : w.data[p];
        const double r = weight * (Aa.data[p] - d.data[p]);
        sum += r * r;
      }
      return sum;
    });
  }

  double background_ratio(StackView v, StackView q, ImageView mask,
                          std::span<const float> xi) override {
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
    return *std::max_element(partial_.begin(), partial_.end());
  }

  double dual_norm(StackView v, StackView q, float rho, ImageView mask,
                   std::span<const float> xi) override {
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
    return std::sqrt(*std::max_element(partial_.begin(), partial_.end()));
  }

 private:
  template <class T>
  static Stack<T> stack_of_one(Image<T> image) {
    return {image.data, 1, image.height, image.width};
  }

  template <class T>
  void check(Stack<T> stack, std::int64_t expected_bins, const char* name) const {
    if (stack.data != nullptr && stack.bins == expected_bins && stack.height == height() &&
        stack.width == width()) {
      return;
    }
    const auto text = [](std::int64_t k, std::int64_t h, std::int64_t w) {
      std::string shape(1, '(');
      shape.append(std::to_string(k)).append(", ").append(std::to_string(h));
      return shape.append(", ").append(std::to_string(w)).append(1, ')');
    };
    throw std::invalid_argument(std::string(name) + ": expected shape " +
                                text(expected_bins, height(), width()) + ", got " +
                                text(stack.bins, stack.height, stack.width));
  }

  static ShrinkBlock block_of(const Shrinkage& shrinkage) {
    return {0, shrinkage.gamma, shrinkage.xi, equal_weight(shrinkage.xi)};
  }

  float* block_memory(int worker) { return blocks_[static_cast<std::size_t>(worker)].get(); }

  // Leaves what `block` returns for each block in partial_.
  template <class Block>
  void max_blocks(std::int64_t pixels, Block block) {
    sum_blocks(pool_, pixels, partial_,
               [&](std::int64_t p0, std::int64_t n, int) { return block(p0, n); });
  }

  Isa isa_;
  ThreadPool pool_;
  Observation plan_;
  std::vector<double> partial_;
  std::vector<AlignedBuffer> blocks_;  // one per worker, [K, kShrinkPixels]
};

}  // namespace

std::unique_ptr<Operations> make_cpu_operations(const SeparableKernels& kernels,
                                                std::int64_t height, std::int64_t width,
                                                Execution execution) {
  return std::make_unique<CpuOperations>(kernels, height, width, std::move(execution));
}

}  // namespace spotcore
