#include "arrays.hpp"
#include "bindings.hpp"
#include "spotcore/hourglass.hpp"
#include "spotcore/networks.hpp"

namespace spotcore::bindings {
namespace {

Nonlinearity nonlinearity_from(const std::string& name) {
  if (name == "soft") return Nonlinearity::soft;
  if (name == "nonneg") return Nonlinearity::nonneg;
  if (name == "group_nonneg") return Nonlinearity::group_nonneg;
  if (name == "shifted_abs") return Nonlinearity::shifted_abs;
  throw py::value_error(
      "nonlinearity: expected 'soft', 'nonneg', 'group_nonneg' or 'shifted_abs', got '" + name +
      "'");
}

void expect_square(const py::array_t<float>& kernels, const char* name) {
  if (kernels.shape(2) == kernels.shape(3)) return;
  throw py::value_error(std::string(name) + ": expected square kernels, got " + describe(kernels));
}

std::unique_ptr<Network> spotnet(const py::object& analysis_object,
                                 const py::object& synthesis_object, const py::object& bias,
                                 const py::object& alpha, const std::string& nonlinearity,
                                 const py::object& score_weights, int threads,
                                 const std::string& isa) {
  const auto analysis = strict(analysis_object, "analysis", 4);
  const auto synthesis = strict(synthesis_object, "synthesis", 4);
  expect_square(analysis, "analysis");
  expect_square(synthesis, "synthesis");
  SpotNetWeights weights;
  weights.layers = synthesis.shape(0);
  weights.bins = analysis.shape(1);
  weights.size = analysis.shape(2);
  weights.analysis = to_vector(analysis);
  weights.synthesis = to_vector(synthesis);
  weights.bias = to_vector(strict(bias, "bias", 1));
  weights.alpha = to_vector(strict(alpha, "alpha", 1));
  weights.nonlinearity = nonlinearity_from(nonlinearity);
  weights.score_weights = to_vector(strict(score_weights, "score_weights", 1));
  return make_spotnet(weights, execution(threads, isa));
}

// layers: (kernels [outputs, inputs or 1, S, S], bias [outputs]) each
std::unique_ptr<Network> convnet(const py::sequence& layers, const py::object& score_weights,
                                 int threads, const std::string& isa) {
  ConvNetWeights weights;
  for (const py::handle item : layers) {
    const auto fields = item.cast<py::tuple>();
    if (fields.size() != 2) throw py::value_error("layers: expected (kernels, bias)");
    const auto kernels = strict(fields[0], "layers", 4);
    expect_square(kernels, "layers");
    weights.layers.push_back({kernels.shape(0), kernels.shape(1), kernels.shape(2),
                              to_vector(kernels), to_vector(strict(fields[1], "layers", 1))});
  }
  weights.score_weights = to_vector(strict(score_weights, "score_weights", 1));
  return make_convnet(weights, execution(threads, isa));
}

// [B, K, H, W] from the beginning of a cache line on, so that maps can be written past the cache.
py::array_t<float> new_maps(std::int64_t b, std::int64_t k, std::int64_t h, std::int64_t w) {
  constexpr std::int64_t kLine = 64 / sizeof(float);
  py::array_t<float> memory(b * k * h * w + kLine);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t offset = (64 - address % 64) % 64 / sizeof(float);
  return py::array_t<float>(std::vector<py::ssize_t>{b, k, h, w}, memory.mutable_data() + offset,
                            memory);
}

std::span<float> values_of(py::array_t<float>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

// (maps [B, K, H, W], scores [B, H, W]), None for what is not asked for.
py::tuple run(Network& network, const py::object& images_object, bool with_maps, bool with_scores) {
  const auto images = strict(images_object, "images", 3);
  const StackView in = stack_view(images);
  std::optional<py::array_t<float>> maps, scores;
  if (with_maps) maps = new_maps(in.bins, network.bins(), in.height, in.width);
  if (with_scores) scores = new_stack(in.bins, in.height, in.width);
  const std::span<float> to_maps = maps ? values_of(*maps) : std::span<float>();
  const std::span<float> to_scores = scores ? values_of(*scores) : std::span<float>();
  without_gil([&] { network.run(in, to_maps, to_scores); });
  return py::make_tuple(maps, scores);
}

// (kernels [outputs, inputs, S, S], bias [outputs] or None)
HourglassLayer layer_from(const py::handle& item) {
  const auto fields = item.cast<py::tuple>();
  if (fields.size() != 2) throw py::value_error("layers: expected (kernels, bias)");
  const auto kernels = strict(fields[0], "layers", 4);
  expect_square(kernels, "layers");
  HourglassLayer layer{
      kernels.shape(0), kernels.shape(1), kernels.shape(2), to_vector(kernels), {}};
  if (!fields[1].is_none()) layer.bias = to_vector(strict(fields[1], "layers", 1));
  return layer;
}

std::vector<HourglassLayer> layers_from(const py::sequence& items) {
  std::vector<HourglassLayer> layers;
  for (const py::handle item : items) layers.push_back(layer_from(item));
  return layers;
}

std::unique_ptr<Hourglass> hourglass(const py::tuple& lift, const py::sequence& down,
                                     const py::sequence& deepen, const py::sequence& lower,
                                     const py::sequence& refine, const py::sequence& cells,
                                     const py::sequence& kinds, int threads,
                                     const std::string& isa) {
  const std::vector<HourglassLayer> of_cells = layers_from(cells), of_kinds = layers_from(kinds);
  if (of_cells.size() != 2 || of_kinds.size() != 2) {
    throw py::value_error("cells, kinds: expected two layers each");
  }
  return make_hourglass(
      {layer_from(lift), layers_from(down), layers_from(deepen), layers_from(lower),
       layers_from(refine), of_cells[0], of_cells[1], of_kinds[0], of_kinds[1]},
      execution(threads, isa));
}

// view [C, H, W] -> (cells [.., H, W], kinds [.., H / 2, W / 2])
py::tuple run_hourglass(Hourglass& network, const py::object& view_object) {
  const auto view = strict(view_object, "view", 3);
  const StackView in = stack_view(view);
  py::array_t<float> cells = new_stack(network.cells(), in.height, in.width);
  py::array_t<float> kinds = new_stack(network.kinds(), in.height / 2, in.width / 2);
  const std::span<float> to_cells = values_of(cells), to_kinds = values_of(kinds);
  without_gil([&] { network.run(in, to_cells, to_kinds); });
  return py::make_tuple(cells, kinds);
}

}  // namespace

void bind_networks(py::module_& module) {
  using namespace py::literals;
  py::class_<Network>(module, "Network").def("run", &run, "images"_a, "maps"_a, "scores"_a);
  module.def("spotnet", &spotnet, "analysis"_a, "synthesis"_a, "bias"_a, "alpha"_a,
             "nonlinearity"_a, "score_weights"_a, "threads"_a = 0, "isa"_a = "auto");
  py::class_<Hourglass>(module, "Hourglass")
      .def_property_readonly("stride", &Hourglass::stride)
      .def("run", &run_hourglass, "view"_a);
  module.def("hourglass", &hourglass, "lift"_a, "down"_a, "deepen"_a, "lower"_a, "refine"_a,
             "cells"_a, "kinds"_a, "threads"_a = 0, "isa"_a = "auto");
  module.def("convnet", &convnet, "layers"_a, "score_weights"_a, "threads"_a = 0, "isa"_a = "auto");
}

}  // namespace spotcore::bindings
