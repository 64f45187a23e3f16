// The wells' network against loops that follow its formula, and its buffers.
#include "spotcore/hourglass.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "check.hpp"
#include "network_weights.hpp"
#include "wrong_arguments.hpp"

using namespace spotcore;
using wrong::refused;

namespace {

HourglassLayer layer(std::int64_t outputs, std::int64_t inputs, std::int64_t size, bool biased) {
  const auto scale = 1.0F / std::sqrt(static_cast<float>(inputs * size * size));
  return {outputs, inputs, size, draw(outputs * inputs * size * size, scale),
          biased ? draw(outputs, 0.3F) : std::vector<float>{}};
}

// Two levels, of channels that fill whole vectors and of some that do not.
HourglassWeights weights() {
  HourglassWeights w;
  w.lift = layer(6, 2, 5, true);
  w.down = {layer(16, 6, 3, true), layer(21, 16, 3, true)};
  w.deepen = {layer(16, 16, 3, false), layer(21, 21, 3, false)};
  w.lower = {layer(6, 16, 1, true), layer(16, 21, 1, true)};
  w.refine = {layer(6, 6, 3, false), layer(16, 16, 3, false)};
  w.cells_hidden = layer(5, 6, 3, true);
  w.cells_read = layer(4, 5, 1, true);
  w.kinds_hidden = layer(18, 16, 3, true);
  w.kinds_read = layer(6, 18, 1, true);
  return w;
}

struct Maps {
  std::int64_t channels, height, width;
  std::vector<double> values;
  double& at(std::int64_t c, std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>((c * height + y) * width + x)];
  }
  double get(std::int64_t c, std::int64_t y, std::int64_t x) const {
    const bool inside = 0 <= y && y < height && 0 <= x && x < width;
    return inside ? values[static_cast<std::size_t>((c * height + y) * width + x)] : 0.0;
  }
  double clamped(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return get(c, std::clamp<std::int64_t>(y, 0, height - 1),
               std::clamp<std::int64_t>(x, 0, width - 1));
  }
};

Maps zeros(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return {channels, height, width,
          std::vector<double>(static_cast<std::size_t>(channels * height * width))};
}

Maps convolved(const HourglassLayer& l, const Maps& in) {
  Maps out = zeros(l.outputs, in.height, in.width);
  const std::int64_t half = l.size / 2;
  for (std::int64_t k = 0; k < l.outputs; ++k) {
    for (std::int64_t y = 0; y < in.height; ++y) {
      for (std::int64_t x = 0; x < in.width; ++x) {
        double sum = l.bias.empty() ? 0.0 : l.bias[static_cast<std::size_t>(k)];
        const float* tap = l.kernels.data() + k * l.inputs * l.size * l.size;
        for (std::int64_t c = 0; c < l.inputs; ++c) {
          for (std::int64_t dy = -half; dy <= half; ++dy) {
            for (std::int64_t dx = -half; dx <= half; ++dx) {
              sum += static_cast<double>(*tap++) * in.get(c, y + dy, x + dx);
            }
          }
        }
        out.at(k, y, x) = sum;
      }
    }
  }
  return out;
}

Maps relu(Maps maps) {
  for (double& value : maps.values) value = std::max(value, 0.0);
  return maps;
}

Maps sum(Maps a, const Maps& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

Maps halved(const Maps& in) {
  Maps out = zeros(in.channels, in.height / 2, in.width / 2);
  for (std::int64_t c = 0; c < out.channels; ++c) {
    for (std::int64_t y = 0; y < out.height; ++y) {
      for (std::int64_t x = 0; x < out.width; ++x) {
        out.at(c, y, x) = (in.get(c, 2 * y, 2 * x) + in.get(c, 2 * y + 1, 2 * x) +
                           in.get(c, 2 * y, 2 * x + 1) + in.get(c, 2 * y + 1, 2 * x + 1)) /
                          4;
      }
    }
  }
  return out;
}

Maps doubled(const Maps& in) {
  Maps out = zeros(in.channels, 2 * in.height, 2 * in.width);
  for (std::int64_t c = 0; c < out.channels; ++c) {
    for (std::int64_t y = 0; y < out.height; ++y) {
      for (std::int64_t x = 0; x < out.width; ++x) {
        const std::int64_t v = y / 2, u = x / 2;
        const std::int64_t beside_v = v + (y % 2 == 0 ? -1 : 1),
                           beside_u = u + (x % 2 == 0 ? -1 : 1);
        out.at(c, y, x) = 0.5625 * in.clamped(c, v, u) + 0.1875 * in.clamped(c, beside_v, u) +
                          0.1875 * in.clamped(c, v, beside_u) +
                          0.0625 * in.clamped(c, beside_v, beside_u);
      }
    }
  }
  return out;
}

std::pair<Maps, Maps> expected(const HourglassWeights& w, const Maps& view) {
  std::vector<Maps> kept{relu(convolved(w.lift, view))};
  for (std::size_t l = 0; l < w.down.size(); ++l) {
    const Maps y = relu(convolved(w.down[l], halved(kept[l])));
    kept.push_back(relu(sum(y, convolved(w.deepen[l], y))));
  }
  Maps z = kept.back(), kinds;
  for (std::size_t l = w.down.size(); l-- > 0;) {
    if (l == 0) kinds = convolved(w.kinds_read, relu(convolved(w.kinds_hidden, z)));
    const Maps y = relu(sum(kept[l], doubled(convolved(w.lower[l], z))));
    z = relu(sum(y, convolved(w.refine[l], y)));
  }
  return {convolved(w.cells_read, relu(convolved(w.cells_hidden, z))), kinds};
}

struct Answer {
  std::vector<float> cells, kinds;
};

Answer run(Hourglass& network, const std::vector<float>& view, std::int64_t height,
           std::int64_t width) {
  const auto pixels = static_cast<std::size_t>(height * width);
  Answer answer{std::vector<float>(4 * pixels, NAN), std::vector<float>(6 * pixels / 4, NAN)};
  network.run({view.data(), 2, height, width}, answer.cells, answer.kinds);
  return answer;
}

void check_near(const std::vector<float>& found, const Maps& right) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(std::abs(static_cast<double>(found[i]) - right.values[i]) < 2e-5);
  }
}

}  // namespace

TEST_CASE("an hourglass follows its formula, on every instruction set") {
  const HourglassWeights w = weights();
  for (const auto& [height, width] : {std::pair{4, 4}, {12, 40}, {36, 8}, {20, 100}}) {
    const std::vector<float> view = draw(2 * height * width, 1.0F);
    const Maps in{2, height, width, {view.begin(), view.end()}};
    const auto [cells, kinds] = expected(w, in);
    for (const std::string& isa : isa_names()) {
      const auto network = make_hourglass(w, {1, isa, {}});
      const Answer found = run(*network, view, height, width);
      check_near(found.cells, cells);
      check_near(found.kinds, kinds);
    }
  }
}

TEST_CASE("neither threads nor earlier views change an hourglass's answer") {
  const HourglassWeights w = weights();
  const std::vector<float> view = draw(2 * 44 * 52, 1.0F), other = draw(2 * 80 * 24, 1.0F);
  const Answer first = run(*make_hourglass(w, {1, "auto", {}}), view, 44, 52);
  for (const int threads : {1, 2, 4}) {
    const auto network = make_hourglass(w, {threads, "auto", {}});
    for (int i = 0; i < 2; ++i) {
      const Answer again = run(*network, view, 44, 52);
      CHECK(again.cells == first.cells && again.kinds == first.kinds);
      run(*network, other, 80, 24);
      run(*network, other, 4, 4);
    }
  }
}

TEST_CASE("an hourglass says what it takes and gives") {
  const auto network = make_hourglass(weights());
  CHECK(network->channels() == 2 && network->stride() == 4);
  CHECK(network->cells() == 4 && network->kinds() == 6);
}

TEST_CASE("an hourglass refuses views and answers that do not fit") {
  const auto network = make_hourglass(weights());
  std::vector<float> pixels(2 * 8 * 8), cells(4 * 64), kinds(6 * 16);
  std::span<float> to_cells = cells, to_kinds = kinds;
  StackView view{pixels.data(), 2, 8, 8};
  const auto attempt = [&] { network->run(view, to_cells, to_kinds); };
  attempt();
  for (const StackView odd : {StackView{nullptr, 2, 8, 8},
                              {pixels.data(), 1, 8, 8},
                              {pixels.data(), 2, 0, 8},
                              {pixels.data(), 2, 8, 6},
                              {pixels.data(), 2, -8, -8}}) {
    const StackView right = std::exchange(view, odd);
    refused("run", "view:", attempt);
    view = right;
  }
  to_cells = to_cells.first(cells.size() - 1);
  refused("run", "cells:", attempt);
  to_cells = cells;
  to_kinds = {};
  refused("run", "kinds:", attempt);
}

TEST_CASE("an hourglass refuses every part of its weights that does not fit, by name") {
  const HourglassWeights right = weights();
  const auto attempt = [&](const char* name, const std::function<void(HourglassWeights&)>& spoil) {
    HourglassWeights wrong = right;
    spoil(wrong);
    refused("make_hourglass", name, [&] { make_hourglass(wrong); });
  };
  attempt("lift:", [](HourglassWeights& w) { w.lift.inputs = 0; });
  attempt("lift:", [](HourglassWeights& w) { w.lift.size = 4; });
  attempt("lift:", [](HourglassWeights& w) { w.lift.size = 7; });
  attempt("lift:", [](HourglassWeights& w) { w.lift.kernels.pop_back(); });
  attempt("down:", [](HourglassWeights& w) { w.down.clear(); });
  attempt("down:", [](HourglassWeights& w) { w.refine.pop_back(); });
  attempt("down:", [](HourglassWeights& w) { w.down[1].inputs = 5; });
  attempt("down:", [](HourglassWeights& w) { w.down[1].bias.clear(); });
  attempt("deepen:", [](HourglassWeights& w) { w.deepen[0] = layer(15, 16, 3, false); });
  attempt("deepen:", [](HourglassWeights& w) { w.deepen[0].bias = {1.0F}; });
  attempt("lower:", [](HourglassWeights& w) { w.lower[1] = layer(15, 21, 1, true); });
  attempt("refine:", [](HourglassWeights& w) { w.refine[0].kernels.push_back(0); });
  attempt("hidden:", [](HourglassWeights& w) { w.cells_hidden.inputs = 7; });
  attempt("read:", [](HourglassWeights& w) { w.kinds_read = layer(6, 18, 3, true); });
  attempt("read:", [](HourglassWeights& w) { w.cells_read = layer(0, 5, 1, true); });
}
