// An hourglass level by level: each layer over whole maps, in bands of rows.
//
// Maps of a level lie with a border of zeros around them, so that no layer asks where it is. Each
// pixel is computed by one task from maps that are done: no result depends on the cut.
#include "spotcore/hourglass.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "networks/hourglass_rows.hpp"
#include "networks/layers.hpp"
#include "networks/packing.hpp"
#include "platform/threads.hpp"

namespace spotcore {
namespace {

constexpr std::int64_t kBorder = 2;    // pixels around a map: half of the largest kernel
constexpr std::int64_t kLargest = 5;   // S
constexpr std::int64_t kBandRows = 4;  // of a task
constexpr std::int64_t kMostFloats = std::int64_t{1} << 31;  // of all maps: 8 GiB

// [H, W, pitch] and a border. Rows are written in whole vectors of pixels: they have room for that.
class Map {
 public:
  static std::int64_t columns(std::int64_t width, std::int64_t lanes) {
    return width + 2 * kBorder + lanes;
  }
  static std::int64_t floats(std::int64_t height, std::int64_t width, std::int64_t pitch,
                             std::int64_t lanes) {
    return product({height + 2 * kBorder, columns(width, lanes), pitch});
  }
  // Another size: zeros around it, but what is inside, and right of it, is of any map before.
  void resize(std::int64_t height, std::int64_t width, std::int64_t pitch, std::int64_t lanes) {
    const std::int64_t size = floats(height, width, pitch, lanes);
    if (size > size_) memory_ = AlignedBuffer(static_cast<std::size_t>(size));
    size_ = std::max(size, size_);
    row_ = columns(width, lanes) * pitch;
    height_ = height, width_ = width, pitch_ = pitch;
    for (std::int64_t y = -kBorder; y < height + kBorder; ++y) {
      const bool outside = y < 0 || y >= height;
      std::fill_n(at(y, -kBorder), outside ? row_ : kBorder * pitch, 0.0F);
    }
  }
  float* at(std::int64_t y, std::int64_t x) const {
    return memory_.get() + (y + kBorder) * row_ + (x + kBorder) * pitch_;
  }
  // What whole vectors of pixels wrote right of the last one.
  void close(std::int64_t y) const { std::fill_n(at(y, width_), kBorder * pitch_, 0.0F); }
  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }
  std::int64_t pitch() const { return pitch_; }

 private:
  AlignedBuffer memory_;
  std::int64_t size_ = 0, row_ = 0, height_ = 0, width_ = 0, pitch_ = 0;
};

struct Layer {
  std::int64_t outputs, inputs, size, vectors;
  AlignedBuffer taps, bias;

  Layer(const HourglassLayer& layer, std::int64_t lanes)
      : outputs(layer.outputs),
        inputs(layer.inputs),
        size(layer.size),
        vectors(ceil_div(layer.outputs, lanes)),
        taps(pack_convolution(lanes, layer.kernels.data(), outputs, inputs, size, 1.0F)),
        bias(pack_pixel(lanes, layer.bias, outputs)) {}
};

void check(const HourglassLayer& layer, std::int64_t inputs, bool biased, const std::string& name) {
  require(layer.outputs >= 1, name, ": expected at least one output, got ", layer.outputs);
  require(layer.inputs == inputs, name, ": expected kernels for ", inputs, " channels, got ",
          layer.inputs);
  require_odd(layer.size, name.c_str());
  require(layer.size <= kLargest, name, ": expected kernels of at most ", kLargest, ", got ",
          layer.size);
  require_numbers(layer.kernels, product({layer.outputs, layer.inputs, layer.size, layer.size}),
                  name.c_str());
  require_numbers(layer.bias, biased ? layer.outputs : 0, name.c_str());
}

// A layer that adds to its input.
void check_adding(const HourglassLayer& layer, std::int64_t channels, const std::string& name) {
  check(layer, channels, false, name);
  require(layer.outputs == channels, name, ": expected ", channels, " outputs, got ",
          layer.outputs);
}

void check(const HourglassWeights& w) {
  const std::size_t levels = w.down.size();
  require(levels >= 1 && levels <= 8 && w.deepen.size() == levels && w.lower.size() == levels &&
              w.refine.size() == levels,
          "down: expected 1 to 8 levels, each with deepen, lower and refine, got ", levels);
  require(w.lift.inputs >= 1, "lift: expected kernels for at least one channel, got ",
          w.lift.inputs);
  check(w.lift, w.lift.inputs, true, "lift");
  std::int64_t channels = w.lift.outputs;
  for (std::size_t l = 0; l < levels; ++l) {
    const std::int64_t finer = std::exchange(channels, w.down[l].outputs);
    const auto name = [l](const char* part) { return joined(part, "[", l, "]"); };
    check(w.down[l], finer, true, name("down"));
    check_adding(w.deepen[l], channels, name("deepen"));
    check(w.lower[l], channels, true, name("lower"));
    require(w.lower[l].outputs == finer, name("lower"), ": expected ", finer, " outputs, got ",
            w.lower[l].outputs);
    check_adding(w.refine[l], finer, name("refine"));
  }
  const auto check_head = [](const HourglassLayer& hidden, const HourglassLayer& read,
                             std::int64_t inputs, const std::string& name) {
    check(hidden, inputs, true, name + "_hidden");
    check(read, hidden.outputs, true, name + "_read");
    require(read.size == 1, name, "_read: expected kernels of one pixel, got ", read.size);
  };
  check_head(w.cells_hidden, w.cells_read, w.lift.outputs, "cells");
  check_head(w.kinds_hidden, w.kinds_read, w.down[0].outputs, "kinds");
}

class LevelledHourglass final : public Hourglass {
 public:
  LevelledHourglass(const HourglassWeights& w, Execution execution)
      : layers_(layer_kernel(isa_from_name(execution.isa))),
        between_(hourglass_kernel(isa_from_name(execution.isa))),
        lift_(w.lift, layers_.lanes),
        cells_{{w.cells_hidden, layers_.lanes}, {w.cells_read, layers_.lanes}},
        kinds_{{w.kinds_hidden, layers_.lanes}, {w.kinds_read, layers_.lanes}},
        pool_(execution.threads, std::move(execution.interrupted)) {
    for (std::size_t l = 0; l < w.down.size(); ++l) {
      down_.emplace_back(w.down[l], layers_.lanes);
      deepen_.emplace_back(w.deepen[l], layers_.lanes);
      lower_.emplace_back(w.lower[l], layers_.lanes);
      refine_.emplace_back(w.refine[l], layers_.lanes);
    }
    kept_.resize(down_.size() + 1);
    other_.resize(down_.size() + 1);
    // Of the other layers none is wider than these.
    std::int64_t most = lift_.vectors;
    for (const Layer& layer : down_) most = std::max(most, layer.vectors);
    for (const Head* head : {&cells_, &kinds_}) {
      most = std::max({most, head->hidden.vectors, head->read.vectors});
    }
    for (int worker = 0; worker < pool_.size(); ++worker) {
      blocks_.emplace_back(static_cast<std::size_t>(most * layers_.lanes * layers_.lanes));
      hidden_.emplace_back();
    }
  }

  std::int64_t channels() const override { return lift_.inputs; }
  std::int64_t stride() const override { return std::int64_t{1} << down_.size(); }
  std::int64_t cells() const override { return cells_.read.outputs; }
  std::int64_t kinds() const override { return kinds_.read.outputs; }

  void run(StackView view, std::span<float> cells, std::span<float> kinds) override {
    check(view, cells, kinds);
    make_room(view);
    each_row(view.height, [&](std::int64_t y, int) { load(view, y); });
    convolve(lift_, view_, kept_[0]);
    const std::size_t levels = down_.size();
    for (std::size_t l = 0; l < levels; ++l) {
      halve(kept_[l], small_);
      convolve(down_[l], small_, other_[l + 1]);
      add(deepen_[l], other_[l + 1], kept_[l + 1]);
    }
    for (std::size_t l = levels; l-- > 0;) {
      if (l == 0) read(kinds_, kept_[1], kinds);
      convolve(lower_[l], kept_[l + 1], small_, Nonlinearity::soft);
      grow(small_, kept_[l], other_[l]);
      add(refine_[l], other_[l], kept_[l]);
    }
    read(cells_, kept_[0], cells);
  }

 private:
  struct Head {
    Layer hidden, read;
  };

  void check(StackView view, std::span<float> cells, std::span<float> kinds) const {
    require(view.data != nullptr && view.bins == channels() && view.height >= 1 && view.width >= 1,
            "view: expected [", channels(), ", H, W], got (", view.bins, ", ", view.height, ", ",
            view.width, view.data == nullptr ? ") and a null pointer" : ")");
    require(view.height % stride() == 0 && view.width % stride() == 0,
            "view: expected sides that are multiples of ", stride(), ", got ", view.height, " x ",
            view.width);
    require(product({view.height, view.width}) <= kMostFloats && floats(view) <= kMostFloats,
            "view: expected one whose maps fit into 8 GiB, got ", view.height, " x ", view.width);
    check_answer(cells, product({this->cells(), view.pixels()}), "cells");
    check_answer(kinds, product({this->kinds(), view.pixels() / 4}), "kinds");
  }
  static void check_answer(std::span<float> values, std::int64_t expected, const char* name) {
    require_length(values, expected, name);
    require(values.data() != nullptr, name, ": expected an array, got a null pointer");
  }

  // Floats of a pixel of a level's maps.
  std::int64_t pitch(std::size_t level) const {
    return (level == 0 ? lift_ : down_[level - 1]).vectors * layers_.lanes;
  }
  std::int64_t hidden_pitch() const {
    return std::max(cells_.hidden.vectors, kinds_.hidden.vectors) * layers_.lanes;
  }

  // All that `make_room` makes, and `small_`. In double, in which no sum is too large.
  double floats(StackView view) const {
    const auto of = [this](std::int64_t height, std::int64_t width, std::int64_t each) {
      return static_cast<double>(Map::floats(height, width, each, layers_.lanes));
    };
    double sum = of(view.height, view.width, view.bins), small = 0;
    for (std::size_t l = 0; l < kept_.size(); ++l) {
      sum += 2 * of(view.height >> l, view.width >> l, pitch(l));
      small = std::max(small, of(view.height >> (l + 1), view.width >> (l + 1), pitch(l)));
    }
    return sum + small + pool_.size() * of(1, view.width, hidden_pitch());
  }

  void make_room(StackView view) {
    const std::int64_t lanes = layers_.lanes;
    view_.resize(view.height, view.width, view.bins, lanes);
    for (std::size_t l = 0; l < kept_.size(); ++l) {
      for (Map* map : {&kept_[l], &other_[l]}) {
        map->resize(view.height >> l, view.width >> l, pitch(l), lanes);
      }
    }
    for (Map& map : hidden_) map.resize(1, view.width, hidden_pitch(), lanes);
  }

  template <class Body>
  void each_row(std::int64_t rows, Body body) {
    pool_.run(ceil_div(rows, kBandRows), [&](std::int64_t band, int worker) {
      const std::int64_t end = std::min(rows, (band + 1) * kBandRows);
      for (std::int64_t y = band * kBandRows; y < end; ++y) body(y, worker);
    });
  }

  void load(StackView view, std::int64_t y) {
    for (std::int64_t c = 0; c < view.bins; ++c) {
      const float* from = view.plane(c) + y * view.width;
      float* to = view_.at(y, 0) + c;
      for (std::int64_t x = 0; x < view.width; ++x) to[x * view.bins] = from[x];
    }
    view_.close(y);
  }

  // A row of a layer's sums, which begin with its bias.
  ConvolutionRow row_of(const Layer& layer, const Map& in, std::int64_t y,
                        std::array<const float*, kLargest>& rows) const {
    for (std::int64_t d = 0; d < layer.size; ++d) {
      rows[static_cast<std::size_t>(d)] = in.at(y - layer.size / 2 + d, -layer.size / 2);
    }
    ConvolutionRow row{};
    row.input = {rows.data(), layer.size, in.pitch()};
    row.channels = layer.inputs;
    row.taps = layer.taps.get();
    row.start = layer.bias.get();
    row.vectors = layer.vectors;
    row.nonlinearity = Nonlinearity::nonneg;
    row.pixels = in.width();
    row.keep = 1;
    row.repeat = 1;
    row.bins = layer.outputs;
    return row;
  }

  float* block(int worker) const { return blocks_[static_cast<std::size_t>(worker)].get(); }

  void convolve(const Layer& layer, const Map& in, Map& out,
                Nonlinearity nonlinearity = Nonlinearity::nonneg) {
    out.resize(in.height(), in.width(), layer.vectors * layers_.lanes, layers_.lanes);
    each_row(in.height(), [&](std::int64_t y, int worker) {
      std::array<const float*, kLargest> rows;
      ConvolutionRow row = row_of(layer, in, y, rows);
      row.nonlinearity = nonlinearity;
      row.z = out.at(y, 0);
      layers_.convolution(row, block(worker));
      out.close(y);
    });
  }

  void add(const Layer& layer, const Map& in, Map& out) {
    each_row(in.height(), [&](std::int64_t y, int worker) {
      std::array<const float*, kLargest> rows;
      ConvolutionRow row = row_of(layer, in, y, rows);
      row.start = in.at(y, 0);
      row.start_pitch = in.pitch();
      row.z = out.at(y, 0);
      layers_.convolution(row, block(worker));
      out.close(y);
    });
  }

  void halve(const Map& in, Map& out) {
    out.resize(in.height() / 2, in.width() / 2, in.pitch(), layers_.lanes);
    each_row(out.height(), [&](std::int64_t y, int) {
      between_.mean({in.at(2 * y, 0), in.at(2 * y + 1, 0), out.at(y, 0), out.width(), out.pitch()});
      out.close(y);
    });
  }

  void grow(const Map& in, const Map& skip, Map& out) {
    each_row(out.height(), [&](std::int64_t y, int) {
      const std::int64_t beside =
          std::clamp<std::int64_t>(y / 2 + (y % 2 == 0 ? -1 : 1), 0, in.height() - 1);
      between_.twice(
          {in.at(y / 2, 0), in.at(beside, 0), skip.at(y, 0), out.at(y, 0), in.width(), in.pitch()});
      out.close(y);
    });
  }

  void read(const Head& head, const Map& in, std::span<float> out) {
    each_row(in.height(), [&](std::int64_t y, int worker) {
      const Map& hidden = hidden_[static_cast<std::size_t>(worker)];
      std::array<const float*, kLargest> rows;
      ConvolutionRow row = row_of(head.hidden, in, y, rows);
      row.z = hidden.at(0, 0);
      layers_.convolution(row, block(worker));
      row = row_of(head.read, hidden, 0, rows);
      row.input.pitch = head.hidden.vectors * layers_.lanes;
      row.nonlinearity = Nonlinearity::soft;
      row.pixels = in.width();
      row.maps = out.data() + y * in.width();
      row.plane = in.height() * in.width();
      layers_.convolution(row, block(worker));
    });
  }

  LayerKernel layers_;
  HourglassKernel between_;
  Layer lift_;
  std::vector<Layer> down_, deepen_, lower_, refine_;
  Head cells_, kinds_;
  Map view_, small_;
  std::vector<Map> kept_, other_;  // of each level
  std::vector<Map> hidden_;        // one row, of each worker
  std::vector<AlignedBuffer> blocks_;
  ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Hourglass> make_hourglass(const HourglassWeights& weights, Execution execution) {
  check(weights);
  return std::make_unique<LevelledHourglass>(weights, std::move(execution));
}

}  // namespace spotcore
