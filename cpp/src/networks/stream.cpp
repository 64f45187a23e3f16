// Images through a chain of steps, in strips of columns and bands of rows.
//
// A strip streams down the image row by row: each step follows the one before by half its kernel,
// and what it has to remember of a step is a few rows in a ring. All rings of a strip fit into the
// second-level cache. Strips and bands overlap by what the later steps see; what lies there is
// computed twice, by the same operations in the same order, so that no result depends on the cut.
#include "networks/stream.hpp"

#include <algorithm>

#include "platform/checks.hpp"
#include "platform/threads.hpp"

namespace spotcore {
namespace {

constexpr std::int64_t kCacheFloats = 256 * 1024;  // for the rings: half of a cache of 2 MB
constexpr std::int64_t kSmallestStrip = 32;
constexpr std::int64_t kLargestWorkspace = 256 * 1024 * 1024;  // floats

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
  bool contains(std::int64_t i) const { return begin <= i && i < end; }
  // With what is seen around it, inside [0, size).
  Range widened(std::int64_t by, std::int64_t limit) const {
    return {std::max<std::int64_t>(0, begin - by), std::min(limit, end + by)};
  }
};

// One strip of one band of one image.
struct Task {
  const float* image;  // [H, W]
  float* maps;         // [K, H, W], or null
  float* scores;       // [H, W], or null
  std::int64_t height, width;
  Range rows, columns;
};

// The rings of one worker.
class Workspace {
 public:
  Workspace(const NetworkPlan& plan, std::int64_t width) : plan_(plan), width_(width) {
    std::int64_t pitch = 1;
    for (const Ring& ring : plan.rings) {
      memory_.emplace_back(static_cast<std::size_t>(ring.rows * ring.pitch * width));
      pitch = std::max(pitch, ring.pitch);
    }
    zeros_ = AlignedBuffer(static_cast<std::size_t>(pitch * width));
    std::int64_t size = 1, vectors = 1;
    for (const NetworkStep& step : plan.steps) {
      size = std::max(size, step.size);
      vectors = std::max(vectors, step.vectors);
    }
    window_.resize(static_cast<std::size_t>(size));
    block_ = AlignedBuffer(static_cast<std::size_t>(vectors * plan.lanes() * plan.lanes()));
  }

  void run(const Task& task) {
    task_ = task;
    origin_ = task.columns.begin - plan_.reach;
    if (origin_ < 0) clear_left(std::min(-origin_, width_));
    const Range image = task.rows.widened(plan_.reach, task.height);
    for (std::int64_t t = image.begin; t < task.rows.end + plan_.reach; ++t) {
      if (t < image.end) load_image(t);
      for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
        const NetworkStep& step = plan_.steps[i];
        const std::int64_t y = t - step.lag;
        if (!task.rows.widened(step.halo, task.height).contains(y)) continue;
        step.synthesis ? synthesise(step, y) : convolve(step, y, i + 1 == plan_.steps.size());
      }
    }
  }

 private:
  // Row y of a ring, from column x of the image on.
  float* at(std::int64_t ring, std::int64_t y, std::int64_t x) const {
    const Ring& r = plan_.rings[static_cast<std::size_t>(ring)];
    return memory_[static_cast<std::size_t>(ring)].get() +
           ((y % r.rows) * width_ + x - origin_) * r.pitch;
  }
  float* at_or_null(std::int64_t ring, std::int64_t y, std::int64_t x) const {
    return ring < 0 ? nullptr : at(ring, y, x);
  }

  // What lies left of the image is zero, whatever the last task left there. Nothing writes to it.
  void clear_left(std::int64_t columns) {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      const Ring& ring = plan_.rings[i];
      for (std::int64_t row = 0; row < ring.rows; ++row) {
        std::fill_n(memory_[i].get() + row * width_ * ring.pitch, columns * ring.pitch, 0.0F);
      }
    }
  }
  // What lies right of it was written over by whole vectors of pixels.
  void clear_right(std::int64_t ring, std::int64_t y, const Range& columns) {
    if (ring < 0 || columns.end < task_.width) return;
    const std::int64_t last = std::min(columns.end + plan_.reach, origin_ + width_);
    std::fill(at(ring, y, columns.end), at(ring, y, last), 0.0F);
  }

  void load_image(std::int64_t y) {
    const Range columns = task_.columns.widened(plan_.reach, task_.width);
    std::copy_n(task_.image + y * task_.width + columns.begin, columns.size(),
                at(0, y, columns.begin));
    clear_right(0, y, columns);
  }

  Window window(const NetworkStep& step, std::int64_t y, std::int64_t x) {
    const std::int64_t half = step.size / 2;
    for (std::int64_t d = 0; d < step.size; ++d) {
      const std::int64_t row = y - half + d;
      window_[static_cast<std::size_t>(d)] =
          0 <= row && row < task_.height ? at(step.input, row, x - half) : zeros_.get();
    }
    return {window_.data(), step.size, plan_.rings[static_cast<std::size_t>(step.input)].pitch};
  }

  void synthesise(const NetworkStep& step, std::int64_t y) {
    const Range columns = task_.columns.widened(step.halo, task_.width);
    SynthesisRow row{};
    row.z = window(step, y, columns.begin);
    row.taps = step.taps.get();
    row.vectors = step.vectors;
    row.s = at(0, y, columns.begin);
    row.u = at(step.z, y, columns.begin);
    row.pixels = columns.size();
    plan_.kernel.synthesis(row);
    clear_right(step.z, y, columns);
  }

  void convolve(const NetworkStep& step, std::int64_t y, bool last) {
    const Range columns = task_.columns.widened(step.halo, task_.width);
    ConvolutionRow row{};
    row.input = window(step, y, columns.begin);
    row.channels = step.channels;
    row.depthwise = step.depthwise;
    row.taps = step.taps.get();
    row.start = step.start < 0 ? step.start_pixel.get() : at(step.start, y, columns.begin);
    row.start_pitch = step.start < 0 ? 0 : step.vectors * plan_.lanes();
    row.vectors = step.vectors;
    row.nonlinearity = step.nonlinearity;
    row.threshold = step.threshold;
    row.pixels = columns.size();
    row.x = at_or_null(step.x, y, columns.begin);
    row.z = at_or_null(step.z, y, columns.begin);
    row.keep = step.keep;
    row.back = step.back;
    row.previous = at_or_null(step.previous, y, columns.begin);
    row.repeat = step.repeat;
    if (row.z != nullptr) {
      row.repeat_pitch = plan_.rings[static_cast<std::size_t>(step.z)].pitch;
    }
    row.bins = step.outputs;
    if (last) {
      const std::int64_t pixel = y * task_.width + columns.begin;
      row.plane = task_.height * task_.width;
      row.score_weights = plan_.score_weights.get();
      row.scores = task_.scores == nullptr ? nullptr : task_.scores + pixel;
      row.maps = task_.maps == nullptr ? nullptr : task_.maps + pixel;
      row.stream = task_.width % 16 == 0 && reinterpret_cast<std::uintptr_t>(row.maps) % 64 == 0;
    }
    plan_.kernel.convolution(row, block_.get());
    clear_right(step.x, y, columns);
    clear_right(step.z, y, columns);
  }

  const NetworkPlan& plan_;
  std::int64_t width_;       // columns that a ring has room for
  std::int64_t origin_ = 0;  // the image's column that is the first of a ring
  Task task_{};
  std::vector<AlignedBuffer> memory_;  // [rows, width, pitch] of each ring
  AlignedBuffer zeros_, block_;
  std::vector<const float*> window_;
};

class StreamedNetwork final : public Network {
 public:
  StreamedNetwork(NetworkPlan plan, Execution execution)
      : plan_(std::move(plan)), pool_(execution.threads, std::move(execution.interrupted)) {
    std::int64_t column = 0;
    for (const Ring& ring : plan_.rings) column += ring.rows * ring.pitch;
    widest_ = std::max(kSmallestStrip, kCacheFloats / column - 2 * plan_.reach);
    widest_ -= widest_ % plan_.lanes();
    // A row is computed and read in whole vectors of pixels.
    const std::int64_t width = widest_ + 2 * plan_.reach + 2 * plan_.lanes();
    require(product({column, width}) <= kLargestWorkspace,
            "network: expected one whose rows fit into 1 GiB per thread, got ", column,
            " floats per column, ", width, " columns");
    for (int worker = 0; worker < pool_.size(); ++worker) workspaces_.emplace_back(plan_, width);
  }

  std::int64_t bins() const override { return plan_.bins; }

  void run(StackView images, std::span<float> maps, std::span<float> scores) override {
    check(images, maps, scores);
    if (maps.empty() && scores.empty()) return;
    const std::int64_t height = images.height, width = images.width;
    const auto [strip, band] = cut(images);
    const std::int64_t strips = ceil_div(width, strip), bands = ceil_div(height, band);
    pool_.run(images.bins * strips * bands,
              [&, strip = strip, band = band](std::int64_t task, int worker) {
                const std::int64_t x = task % strips * strip, y = task / strips % bands * band;
                const std::int64_t b = task / (strips * bands);
                workspaces_[static_cast<std::size_t>(worker)].run(
                    {images.plane(b),
                     maps.empty() ? nullptr : maps.data() + b * plan_.bins * images.pixels(),
                     scores.empty() ? nullptr : scores.data() + b * images.pixels(),
                     height,
                     width,
                     {y, std::min(height, y + band)},
                     {x, std::min(width, x + strip)}});
              });
  }

 private:
  void check(StackView images, std::span<float> maps, std::span<float> scores) const {
    require(images.data != nullptr && images.bins >= 1 && images.height >= 1 && images.width >= 1,
            "images: expected non-empty images [B, H, W], got (", images.bins, ", ", images.height,
            ", ", images.width, images.data == nullptr ? ") and a null pointer" : ")");
    const std::int64_t pixels = product({images.bins, images.height, images.width});
    if (!maps.empty()) require_output(maps, product({pixels, plan_.bins}), "maps");
    if (!scores.empty()) require_output(scores, pixels, "scores");
  }
  static void require_output(std::span<float> values, std::int64_t expected, const char* name) {
    require_length(values, expected, name);
    require(values.data() != nullptr, name, ": expected an array, got a null pointer");
  }

  // Width of the strips and height of the bands that let all threads end soonest.
  std::pair<std::int64_t, std::int64_t> cut(StackView images) const {
    const std::int64_t threads = pool_.size();
    const auto with_halo = [&](std::int64_t part, std::int64_t whole) {
      // Steps see between nothing and the whole reach beyond either side: half of it on average.
      return part < whole ? part + plan_.reach : part;
    };
    std::pair<std::int64_t, std::int64_t> best{};
    std::int64_t least = 0;
    const std::int64_t fewest = ceil_div(images.width, widest_);
    for (std::int64_t n = fewest; n < fewest + threads; ++n) {
      const std::int64_t strip = ceil_div(ceil_div(images.width, n), plan_.lanes()) * plan_.lanes();
      for (std::int64_t m = 1; m <= 4 * threads; ++m) {
        const std::int64_t band = ceil_div(images.height, m);
        const std::int64_t tasks =
            images.bins * ceil_div(images.width, strip) * ceil_div(images.height, band);
        const std::int64_t cost = ceil_div(tasks, threads) * with_halo(strip, images.width) *
                                  with_halo(band, images.height);
        if (least == 0 || cost < least) {
          least = cost;
          best = {strip, band};
        }
      }
    }
    return best;
  }

  NetworkPlan plan_;
  ThreadPool pool_;
  std::int64_t widest_ = 0;  // strip
  std::vector<Workspace> workspaces_;
};

}  // namespace

std::int64_t NetworkPlan::add_ring(std::int64_t pitch) {
  rings.push_back({pitch, 1, static_cast<std::int64_t>(steps.size())});
  return static_cast<std::int64_t>(rings.size()) - 1;
}

void NetworkPlan::finish(std::span<const float> weights) {
  bins = steps.back().outputs;
  score_weights = AlignedBuffer(static_cast<std::size_t>(vectors(bins) * lanes()));
  std::copy(weights.begin(), weights.end(), score_weights.get());

  reach = 0;
  for (NetworkStep& step : steps) step.lag = reach += step.size / 2;
  for (NetworkStep& step : steps) step.halo = reach - step.lag;
  const auto need = [&](std::int64_t index, const NetworkStep& reader, std::int64_t below) {
    if (index < 0) return;
    Ring& ring = rings[static_cast<std::size_t>(index)];
    const std::int64_t newest =
        ring.writer < 0 ? 0 : steps[static_cast<std::size_t>(ring.writer)].lag;
    ring.rows = std::max(ring.rows, reader.lag - newest + below + 1);
  };
  for (const NetworkStep& step : steps) {
    need(step.input, step, step.size / 2);
    need(step.start, step, 0);
    need(step.previous, step, 0);
    if (step.synthesis) need(0, step, 0);
  }
}

std::unique_ptr<Network> make_network(NetworkPlan plan, Execution execution) {
  return std::make_unique<StreamedNetwork>(std::move(plan), std::move(execution));
}

}  // namespace spotcore
