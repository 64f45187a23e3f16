#include "cpu/observation_plan.hpp"

#include <algorithm>
#include <map>

#include "platform/checks.hpp"

namespace spotcore {
namespace {

constexpr std::int64_t kMostFloats = std::int64_t{1} << 40;  // 4 TiB: sizes cannot overflow below

}  // namespace

ObservationPlan::ObservationPlan(const SeparableKernels& kernels, ImageSize size, Isa isa,
                                 ThreadPool& pool)
    : bins_(static_cast<std::int64_t>(kernels.size())), size_(size), pool_(pool) {
  check_kernels(kernels);
  require(size.height >= 1 && size.width >= 1, "image size: expected at least 1x1, got ",
          size.height, "x", size.width);
  require(product({bins_, size.height, size.width}) <= kMostFloats,
          "image size: expected maps that fit into memory, got ", bins_, " of ", size.height, "x",
          size.width);
  std::map<std::int64_t, std::vector<std::int64_t>> by_scale;
  for (std::int64_t k = 0; k < bins_; ++k) {
    by_scale[kernels[static_cast<std::size_t>(k)].scale].push_back(k);
  }
  for (auto& [scale, bins] : by_scale) {
    SeparableKernels members;
    for (const std::int64_t k : bins) {
      members.push_back(kernels[static_cast<std::size_t>(k)]);
      require(members.back().lowpass == members.front().lowpass, "factors[", k,
              "]: expected one low-pass for all kernels of scale ", scale);
    }
    if (scale == 1) {
      direct_ = std::make_unique<SeparablePlan>(members, size, isa, pool.size());
      direct_bins_ = bins;
      direct_maps_ = AlignedBuffer(bins.size() * static_cast<std::size_t>(size.pixels()));
      direct_inputs_.resize(bins.size());
      direct_outputs_.resize(bins.size());
    } else {
      levels_.emplace_back(members, bins, size, kBandRows, isa, pool.size());
    }
  }
  const auto strip = static_cast<std::size_t>(column_kernel(isa).layout.width);
  for (int worker = 0; worker < pool.size(); ++worker) {
    packed_.emplace_back(static_cast<std::size_t>(size.height) * strip);
    values_.emplace_back(static_cast<std::size_t>(bins_ * Block::kPixels));
  }
}

void ObservationPlan::decimate(ImageView d) {
  if (levels_.empty()) return;
  const auto levels = static_cast<std::int64_t>(levels_.size());
  pool_.run(levels * strips(), [&](std::int64_t task, int worker) {
    const std::int64_t x0 = task / levels * Block::kColumns;
    levels_[static_cast<std::size_t>(task % levels)].decimate_columns(
        d, x0, std::min(size_.width, x0 + Block::kColumns), packed(worker));
  });
}

void ObservationPlan::decimate(StackView a) {
  if (levels_.empty()) return;
  pool_.run(bands(), [&](std::int64_t band, int worker) { decimate_band(a, band, worker); });
}

void ObservationPlan::decimate_band(StackView a, std::int64_t band, int worker) {
  for (CoarseLevel& level : levels_) level.decimate_band(a, band, packed(worker), worker);
}

template <class Direct, class Tasks, class Pass>
void ObservationPlan::pass(std::int64_t direct_tasks, Direct direct, Tasks tasks, Pass level_pass) {
  std::int64_t total = direct_tasks;
  for (const CoarseLevel& level : levels_) total += tasks(level);
  pool_.run(total, [&](std::int64_t task, int worker) {
    if (task < direct_tasks) return direct(task, worker);
    task -= direct_tasks;
    for (CoarseLevel& level : levels_) {
      if (task < tasks(level)) return level_pass(level, task, worker);
      task -= tasks(level);
    }
  });
}

// The direct kernels' two passes fill the gaps that the small ones of the levels leave.
void ObservationPlan::filter(Maps inputs, Maps outputs) {
  const auto count = [](Maps maps, std::size_t each) {
    return maps == Maps::each ? each : std::min<std::size_t>(1, each);
  };
  const auto direct_inputs = std::span(direct_inputs_).first(count(inputs, direct_inputs_.size()));
  const auto direct_outputs =
      std::span(direct_outputs_).first(count(outputs, direct_outputs_.size()));
  const auto no_direct = [](std::int64_t, int) {};
  pass(
      direct_ ? direct_->first_tasks() : 0,
      [&](std::int64_t task, int worker) { direct_->first_pass(direct_inputs, task, worker); },
      [&](const CoarseLevel& level) {
        return inputs == Maps::each ? level.sum_tasks() : level.decimate_tasks();
      },
      [&](CoarseLevel& level, std::int64_t task, int) {
        inputs == Maps::each ? level.sum_bands(task) : level.decimate_rows(task);
      });
  pass(
      direct_ ? direct_->second_tasks(direct_outputs.size()) : 0,
      [&](std::int64_t task, int) { direct_->second_pass(direct_outputs, task); },
      [](const CoarseLevel& level) { return level.first_tasks(); },
      [&](CoarseLevel& level, std::int64_t task, int worker) {
        level.first_pass(count(inputs, level.size()), task, worker);
      });
  if (levels_.empty()) return;
  pass(
      0, no_direct,
      [&](const CoarseLevel& level) { return level.second_tasks(count(outputs, level.size())); },
      [&](CoarseLevel& level, std::int64_t task, int) {
        level.second_pass(count(outputs, level.size()), task);
      });
  pass(
      0, no_direct,
      [&](const CoarseLevel& level) {
        return level.interpolate_tasks(count(outputs, level.size()));
      },
      [](CoarseLevel& level, std::int64_t task, int) { level.interpolate_rows(task); });
}

void ObservationPlan::interpolate(ImageSpan d) {
  if (levels_.empty()) return;
  pool_.run(strips(), [&](std::int64_t strip, int) {
    const std::int64_t x0 = strip * Block::kColumns;
    const std::int64_t x1 = std::min(size_.width, x0 + Block::kColumns);
    for (std::int64_t y0 = 0; y0 < size_.height; y0 += Block::kRows) {
      bool add = direct_ != nullptr;
      for (CoarseLevel& level : levels_) {
        level.interpolate(0, y0, std::min(size_.height, y0 + Block::kRows), x0, x1, d.row(y0) + x0,
                          size_.width, add);
        add = true;
      }
    }
  });
}

void ObservationPlan::interpolate(StackSpan a) {
  if (levels_.empty()) return;
  pool_.run(strips(), [&](std::int64_t strip, int) {
    const std::int64_t x0 = strip * Block::kColumns;
    const std::int64_t x1 = std::min(size_.width, x0 + Block::kColumns);
    for (CoarseLevel& level : levels_) {
      for (std::size_t j = 0; j < level.size(); ++j) {
        level.interpolate(j, 0, size_.height, x0, x1, a.plane(level.bin(j)) + x0, size_.width,
                          false);
      }
    }
  });
}

void ObservationPlan::separable_conv(StackView x, StackSpan y) {
  for (std::size_t j = 0; j < direct_bins_.size(); ++j) {
    direct_inputs_[j] = x.plane(direct_bins_[j]);
    direct_outputs_[j] = y.plane(direct_bins_[j]);
  }
  decimate(x);
  filter(Maps::each, Maps::each);
  interpolate(y);
}

void ObservationPlan::forward(StackView a, ImageSpan d) {
  decimate(a);
  end_forward(a, d);
}

void ObservationPlan::end_forward(StackView a, ImageSpan d) {
  for (std::size_t j = 0; j < direct_bins_.size(); ++j) {
    direct_inputs_[j] = a.plane(direct_bins_[j]);
  }
  if (direct_) direct_outputs_[0] = d.data;
  filter(Maps::each, Maps::one);
  interpolate(d);
}

void ObservationPlan::adjoint(ImageView d, StackSpan a) {
  for (std::size_t j = 0; j < direct_bins_.size(); ++j) {
    direct_outputs_[j] = a.plane(direct_bins_[j]);
  }
  begin_adjoint(d);
  interpolate(a);
}

void ObservationPlan::begin_adjoint(ImageView d) {
  if (direct_) direct_inputs_[0] = d.data;
  decimate(d);
  filter(Maps::one, Maps::each);
}

void ObservationPlan::sweep(ImageView d, BlockBody body, StackView next, ImageSpan Anext) {
  for (std::size_t j = 0; j < direct_bins_.size(); ++j) {
    direct_outputs_[j] = direct_maps_.get() + static_cast<std::int64_t>(j) * size_.pixels();
  }
  begin_adjoint(d);
  // Rows of blocks, not columns: planes and rows lie at powers of two from each other, and a column
  // of blocks would use few of the sets of every cache.
  pool_.run(bands(), [&](std::int64_t band, int worker) {
    float* values = values_[static_cast<std::size_t>(worker)].get();
    const std::int64_t end = std::min(size_.height, (band + 1) * band_rows());
    for (std::int64_t y0 = band * band_rows(); y0 < end; y0 += Block::kRows) {
      for (std::int64_t strip = 0; strip < strips(); ++strip) {
        const std::int64_t x0 = strip * Block::kColumns;
        const Block block{y0, x0, std::min(Block::kRows, end - y0),
                          std::min(Block::kColumns, size_.width - x0),
                          y0 / Block::kRows * strips() + strip};
        adjoint_block(block, values);
        body(block, values, worker);
      }
    }
    decimate_band(next, band, worker);
  });
  end_forward(next, Anext);
}

void ObservationPlan::adjoint_block(const Block& block, float* values) {
  for (std::size_t j = 0; j < direct_bins_.size(); ++j) {
    const float* from = direct_outputs_[j] + block.y0 * size_.width + block.x0;
    float* to = values + direct_bins_[j] * Block::kPixels;
    for (std::int64_t row = 0; row < block.rows; ++row) {
      std::copy_n(from + row * size_.width, block.columns, to + row * block.columns);
    }
  }
  for (CoarseLevel& level : levels_) {
    for (std::size_t j = 0; j < level.size(); ++j) {
      level.interpolate(j, block.y0, block.y0 + block.rows, block.x0, block.x0 + block.columns,
                        values + level.bin(j) * Block::kPixels, block.columns, false);
    }
  }
}

}  // namespace spotcore
