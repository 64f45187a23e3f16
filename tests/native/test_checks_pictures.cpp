// Every argument of what sees pictures, or learned to, that can be wrong is refused, by its name.
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "network_weights.hpp"
#include "spotcore/landscape.hpp"
#include "wrong_arguments.hpp"

using namespace spotcore;
using namespace wrong;

// --- Pictures ------------------------------------------------------------------------------------

TEST_CASE("landscapes and maxima refuse images, marks and answers that do not fit") {
  std::vector<float> heights(kHeight * kWidth, 1.0F);
  std::vector<std::int64_t> marks{3};
  std::vector<std::uint8_t> used(heights.size(), 1);
  std::vector<std::int32_t> owner(heights.size());
  const ImageView in{heights.data(), kHeight, kWidth};
  for (const ImageView empty : {ImageView{nullptr, kHeight, kWidth},
                                {heights.data(), 0, kWidth},
                                {heights.data(), kHeight, 0},
                                {heights.data(), -kHeight, -kWidth}}) {
    refused("watershed", "landscape:", [&] { watershed(empty, marks, used, owner); });
    refused("local_maxima", "score:", [&] { local_maxima(empty); });
  }
  const auto fill = [&] { watershed(in, marks, used, owner); };
  fill();
  for (const std::int64_t wrong :
       {std::int64_t{-1}, kHeight * kWidth, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    marks = {3, wrong};
    refused("watershed", "marks:", fill);
  }
  marks = {3};
  used[3] = 0;
  refused("watershed", "marks:", fill);
  used[3] = 1;
  const auto each_wrong_length = [](auto& values, const std::function<void()>& attempt) {
    const auto size = values.size();
    for (const std::size_t wrong : {std::size_t{0}, size - 1, size + 1}) {
      values.resize(wrong);
      attempt();
    }
    values.resize(size, 1);
  };
  each_wrong_length(used, [&] { refused("watershed", "used:", fill); });
  used.assign(heights.size(), 1);
  each_wrong_length(owner, [&] { refused("watershed", "owner:", fill); });
  fill();
}

// --- Networks ------------------------------------------------------------------------------------

TEST_CASE("a network refuses images, maps and scores that do not fit each other") {
  const auto network = make_spotnet(spotnet_weights(1, kBins, 3, Nonlinearity::soft));
  std::vector<float> pixels(2 * kHeight * kWidth), maps(pixels.size() * kBins), scores = pixels;
  std::span<float> to_maps = maps, to_scores = scores;
  StackView images{pixels.data(), 2, kHeight, kWidth};
  const auto run = [&] { network->run(images, to_maps, to_scores); };
  run();
  for (const StackView wrong : {StackView{nullptr, 2, kHeight, kWidth},
                                {pixels.data(), 0, kHeight, kWidth},
                                {pixels.data(), 2, 0, kWidth},
                                {pixels.data(), 2, kHeight, 0},
                                {pixels.data(), 2, -kHeight, -kWidth}}) {
    const StackView right = std::exchange(images, wrong);
    refused("run", "images:", run);
    images = right;
  }
  for (const StackView larger : {StackView{pixels.data(), 3, kHeight, kWidth},
                                 {pixels.data(), 2, kHeight + 1, kWidth},
                                 {pixels.data(), 2, kHeight, kWidth + 1}}) {
    const StackView right = std::exchange(images, larger);
    refused("run", "maps:", run);
    to_maps = {};
    refused("run", "scores:", run);
    to_maps = maps;
    images = right;
  }
  to_maps = std::span(maps).first(maps.size() - 1);
  refused("run", "maps:", run);
  to_maps = maps;
  to_scores = std::span(scores).first(scores.size() - 1);
  refused("run", "scores:", run);
}

TEST_CASE("networks refuse every part of their weights that does not fit, by name") {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const SpotNetWeights right = spotnet_weights(2, 3, 5, Nonlinearity::soft);
  make_spotnet(right);
  const auto attempt = [&](const char* name, const std::function<void(SpotNetWeights&)>& spoil) {
    SpotNetWeights wrong = right;
    spoil(wrong);
    refused("make_spotnet", name, [&] { make_spotnet(wrong); });
  };
  for (const std::int64_t wrong : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3}, kHuge}) {
    attempt("synthesis:", [&](SpotNetWeights& w) { w.layers = wrong; });
    attempt("synthesis:", [&](SpotNetWeights& w) { w.bins = wrong == 3 ? 4 : wrong; });
  }
  for (const std::int64_t even : {0, 4, -5}) {
    attempt("analysis:", [&](SpotNetWeights& w) { w.size = even; });
  }
  attempt("synthesis:", [&](SpotNetWeights& w) { w.size = kHuge; });
  attempt("analysis:", [](SpotNetWeights& w) { w.analysis.pop_back(); });
  attempt("synthesis:", [](SpotNetWeights& w) { w.synthesis.push_back(0); });
  attempt("bias:", [](SpotNetWeights& w) { w.bias.pop_back(); });
  attempt("alpha:", [](SpotNetWeights& w) { w.alpha.clear(); });
  attempt("score_weights:", [](SpotNetWeights& w) { w.score_weights.push_back(0); });

  const ConvNetWeights layers = convnet_weights();
  const auto attempt_layer = [&](const std::function<void(ConvLayerWeights&)>& spoil) {
    for (std::size_t i = 0; i < layers.layers.size(); ++i) {
      ConvNetWeights wrong = layers;
      spoil(wrong.layers[i]);
      refused("make_convnet", "layers:", [&] { make_convnet(wrong); });
    }
  };
  attempt_layer([](ConvLayerWeights& layer) { layer.outputs = 0; });
  attempt_layer([](ConvLayerWeights& layer) { layer.outputs = -6; });
  attempt_layer([](ConvLayerWeights& layer) { layer.outputs = 4 * (kHuge / 4); });
  attempt_layer([](ConvLayerWeights& layer) { layer.inputs_per_output = 0; });
  attempt_layer([](ConvLayerWeights& layer) { layer.inputs_per_output += 1; });
  attempt_layer([](ConvLayerWeights& layer) { layer.size = 2; });
  attempt_layer([](ConvLayerWeights& layer) { layer.size = kHuge; });
  attempt_layer([](ConvLayerWeights& layer) { layer.kernels.pop_back(); });
  attempt_layer([](ConvLayerWeights& layer) { layer.bias.push_back(0); });
  ConvNetWeights wrong = layers;
  wrong.score_weights.pop_back();
  refused("make_convnet", "score_weights:", [&] { make_convnet(wrong); });
  CHECK_THROWS(make_convnet({}), std::invalid_argument);
}
