// The wells' network against loops that follow its formula, and its buffers.
#include "spotcore/hourglass.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"
#include "network_weights.hpp"
#include "spotcore/status.hpp"
#include "wrong_arguments.hpp"

using namespace spotcore;
using wrong::refused;

namespace {

struct Maps {
  std::int64_t channels = 0, height = 0, width = 0;
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
  network.run({view.data(), network.channels(), height, width}, answer.cells, answer.kinds);
  return answer;
}

void check_near(const std::vector<float>& found, const Maps& right) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(std::abs(static_cast<double>(found[i]) - right.values[i]) < 2e-5);
  }
}

}  // namespace

TEST_CASE("an hourglass follows its formula, on every instruction set") {
  struct Case {
    std::int64_t channels;
    std::vector<std::int64_t> below;
    std::vector<std::pair<std::int64_t, std::int64_t>> sizes;
  };
  // From a level of one pixel to rows of several vectors.
  for (const Case& each : {Case{2, {16, 21}, {{4, 4}, {12, 40}, {36, 8}, {20, 100}}},
                           {2, {9, 16, 3, 33}, {{16, 16}, {32, 16}, {16, 48}}},
                           {1, {17}, {{2, 2}, {10, 34}}},
                           {3, {4}, {{6, 36}}}}) {
    const HourglassWeights w = hourglass_weights(each.channels, each.below);
    for (const auto& [height, width] : each.sizes) {
      const std::vector<float> view = draw(each.channels * height * width, 1.0F);
      const Maps in{each.channels, height, width, {view.begin(), view.end()}};
      const auto [cells, kinds] = expected(w, in);
      for (const std::string& isa : isa_names()) {
        const auto network = make_hourglass(w, {1, isa, {}});
        const Answer found = run(*network, view, height, width);
        check_near(found.cells, cells);
        check_near(found.kinds, kinds);
      }
    }
  }
}

TEST_CASE("kernels of every size may stand in every layer but those that read") {
  for (const std::int64_t size : {1, 3, 5}) {
    HourglassWeights w = hourglass_weights();
    for (auto* part : {&w.down, &w.deepen, &w.lower, &w.refine}) {
      for (HourglassLayer& l : *part) {
        l = hourglass_layer(l.outputs, l.inputs, size, !l.bias.empty());
      }
    }
    for (HourglassLayer* l : {&w.lift, &w.cells_hidden, &w.kinds_hidden}) {
      *l = hourglass_layer(l->outputs, l->inputs, size, true);
    }
    const std::vector<float> view = draw(2 * 12 * 24, 1.0F);
    const auto [cells, kinds] = expected(w, {2, 12, 24, {view.begin(), view.end()}});
    const auto network = make_hourglass(w);
    run(*network, draw(2 * 28 * 28, 1.0F), 28, 28);  // what it leaves is in no border
    const Answer found = run(*network, view, 12, 24);
    check_near(found.cells, cells);
    check_near(found.kinds, kinds);
  }
}

TEST_CASE("neither threads nor earlier views change an hourglass's answer") {
  const HourglassWeights w = hourglass_weights();
  const std::vector<float> view = draw(2 * 44 * 52, 1.0F), other = draw(2 * 80 * 60, 1.0F);
  const Answer first = run(*make_hourglass(w, {1, "auto", {}}), view, 44, 52);
  for (const int threads : {1, 2, 3, 4}) {
    const auto network = make_hourglass(w, {threads, "auto", {}});
    for (const auto& [height, width] :
         {std::pair{44, 52}, {4, 4}, {80, 24}, {24, 80}, {80, 60}, {8, 60}}) {
      run(*network, other, height, width);
      const Answer again = run(*network, view, 44, 52);
      CHECK(again.cells == first.cells && again.kinds == first.kinds);
    }
  }
}

TEST_CASE("an hourglass can be interrupted, and used again") {
  bool stop = false;
  const HourglassWeights w = hourglass_weights();
  const std::vector<float> view = draw(2 * 44 * 52, 1.0F);
  const Answer first = run(*make_hourglass(w), view, 44, 52);
  for (const int threads : {1, 3}) {
    const auto network = make_hourglass(w, {threads, "auto", [&] { return stop; }});
    stop = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // it asks every 50
    CHECK_THROWS(run(*network, view, 44, 52), Interrupted);
    stop = false;
    const Answer again = run(*network, view, 44, 52);
    CHECK(again.cells == first.cells && again.kinds == first.kinds);
  }
}

TEST_CASE("an hourglass says what it takes and gives") {
  const auto network = make_hourglass(hourglass_weights());
  CHECK(network->channels() == 2 && network->stride() == 4);
  CHECK(network->cells() == 4 && network->kinds() == 6);
}

TEST_CASE("an hourglass refuses views and answers that do not fit") {
  const auto network = make_hourglass(hourglass_weights());
  std::vector<float> pixels(2 * 8 * 8), cells(4 * 64), kinds(6 * 16);
  std::span<float> to_cells = cells, to_kinds = kinds;
  StackView view{pixels.data(), 2, 8, 8};
  const auto attempt = [&] { network->run(view, to_cells, to_kinds); };
  attempt();
  constexpr std::int64_t kLong = std::int64_t{1} << 62;
  for (const StackView odd : {StackView{nullptr, 2, 8, 8},
                              {pixels.data(), 1, 8, 8},
                              {pixels.data(), 2, 0, 8},
                              {pixels.data(), 2, 8, 6},
                              {pixels.data(), 2, -8, -8},
                              {pixels.data(), 2, 1 << 14, 1 << 14},  // 8 GiB of the first level
                              {pixels.data(), 2, 1 << 26, 4},        // of borders
                              {pixels.data(), 2, kLong, 4},
                              {pixels.data(), 2, kLong, kLong}}) {
    const StackView right = std::exchange(view, odd);
    refused("run", "view:", attempt);
    view = right;
  }
  for (auto* answer : {&to_cells, &to_kinds}) {
    const char* name = answer == &to_cells ? "cells:" : "kinds:";
    const std::span<float> right = *answer;
    for (const std::span<float> wrong : {right.first(right.size() - 1), right.first(0)}) {
      *answer = wrong;
      refused("run", name, attempt);
    }
    *answer = {static_cast<float*>(nullptr), right.size()};
    refused("run", name, attempt);
    *answer = right;
  }
  attempt();
}

TEST_CASE("an hourglass refuses every mistake in every layer, by the layer's name") {
  using Weights = HourglassWeights;
  using Part = std::function<HourglassLayer&(Weights&)>;
  const Weights right = hourglass_weights();
  const std::pair<const char*, Part> parts[] = {
      {"lift", [](Weights& w) -> HourglassLayer& { return w.lift; }},
      {"down[1]", [](Weights& w) -> HourglassLayer& { return w.down[1]; }},
      {"deepen[0]", [](Weights& w) -> HourglassLayer& { return w.deepen[0]; }},
      {"lower[1]", [](Weights& w) -> HourglassLayer& { return w.lower[1]; }},
      {"refine[0]", [](Weights& w) -> HourglassLayer& { return w.refine[0]; }},
      {"cells_hidden", [](Weights& w) -> HourglassLayer& { return w.cells_hidden; }},
      {"cells_read", [](Weights& w) -> HourglassLayer& { return w.cells_read; }},
      {"kinds_hidden", [](Weights& w) -> HourglassLayer& { return w.kinds_hidden; }},
      {"kinds_read", [](Weights& w) -> HourglassLayer& { return w.kinds_read; }}};
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::function<void(HourglassLayer&)> mistakes[] = {
      [](HourglassLayer& l) { l.outputs = 0; },     [](HourglassLayer& l) { l.outputs = -1; },
      [](HourglassLayer& l) { l.outputs = kMost; }, [](HourglassLayer& l) { l.inputs = 0; },
      [](HourglassLayer& l) { l.inputs += 1; },     [](HourglassLayer& l) { l.inputs = kMost; },
      [](HourglassLayer& l) { l.size = 4; },        [](HourglassLayer& l) { l.size = 7; },
      [](HourglassLayer& l) { l.size = -1; },       [](HourglassLayer& l) { l.kernels.pop_back(); },
      [](HourglassLayer& l) { l.kernels.clear(); }, [](HourglassLayer& l) { l.bias.push_back(0); }};
  for (const auto& [name, part] : parts) {
    for (const auto& mistake : mistakes) {
      Weights wrong = right;
      mistake(part(wrong));
      refused("make_hourglass", std::string(name) + ":", [&] { make_hourglass(wrong); });
    }
  }
}

TEST_CASE("an hourglass refuses layers that do not fit each other, by name") {
  const HourglassWeights right = hourglass_weights();
  const auto attempt = [&](const char* name, const std::function<void(HourglassWeights&)>& spoil) {
    HourglassWeights wrong = right;
    spoil(wrong);
    refused("make_hourglass", name, [&] { make_hourglass(wrong); });
  };
  attempt("down:", [](HourglassWeights& w) { w.down.clear(); });
  attempt("down:", [](HourglassWeights& w) { w.refine.pop_back(); });
  attempt("down:", [](HourglassWeights& w) { w.lower.push_back(w.lower[1]); });
  attempt("down[1]:", [](HourglassWeights& w) { w.down[1].bias.clear(); });
  attempt("deepen[0]:",
          [](HourglassWeights& w) { w.deepen[0] = hourglass_layer(15, 16, 3, false); });
  attempt("lower[1]:", [](HourglassWeights& w) { w.lower[1] = hourglass_layer(15, 21, 1, true); });
  attempt("kinds_read:",
          [](HourglassWeights& w) { w.kinds_read = hourglass_layer(6, 70, 3, true); });
}
