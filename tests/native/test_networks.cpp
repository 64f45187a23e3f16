// The networks' buffers, mostly for the sanitizers: tests/test_networks.py has the numbers.
#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"
#include "spotcore/networks.hpp"

using namespace spotcore;

namespace {

std::vector<float> draw(std::int64_t n, float scale) {
  static std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = scale * normal(generator);
  return values;
}

SpotNetWeights spotnet_weights(std::int64_t layers, std::int64_t bins, std::int64_t size,
                               Nonlinearity nonlinearity) {
  const std::int64_t set = bins * size * size;
  const auto side = static_cast<float>(size);
  return {layers,
          bins,
          size,
          draw((layers + 1) * set, 1 / (side * side)),
          draw(layers * set, 1 / (side * side * static_cast<float>(bins))),
          draw(layers + 1, 0.1F),
          draw(layers, 0.5F),
          nonlinearity,
          draw(bins, 1.0F)};
}

// Maps and scores of three images, whose memory ends where the answer ends.
void check_run(Network& network, std::int64_t height, std::int64_t width) {
  const std::vector<float> images = draw(3 * height * width, 10.0F);
  const StackView in{images.data(), 3, height, width};
  const auto pixels = static_cast<std::size_t>(in.size());
  std::vector<float> maps(pixels * static_cast<std::size_t>(network.bins()), NAN);
  std::vector<float> scores(pixels, NAN), only(pixels, NAN);
  network.run(in, maps, scores);
  for (const float value : maps) CHECK(std::isfinite(value));
  network.run(in, {}, only);
  for (std::size_t p = 0; p < pixels; ++p) CHECK(scores[p] == only[p] && std::isfinite(only[p]));
}

}  // namespace

TEST_CASE("networks of any shape stay inside their buffers") {
  for (const std::string& isa : isa_names()) {
    for (const int threads : {1, 3}) {
      for (const auto kind : {Nonlinearity::soft, Nonlinearity::group_nonneg}) {
        for (const std::int64_t bins : {1, 17, 30}) {
          for (const std::int64_t size : {1, 5, 9}) {
            const auto net = make_spotnet(spotnet_weights(2, bins, size, kind), {threads, isa, {}});
            check_run(*net, 1, 1);
            check_run(*net, 19, 33);
            check_run(*net, 3, 700);
          }
        }
      }
    }
  }
}

TEST_CASE("a ConvNet that widens, repeats channels and narrows stays inside its buffers") {
  ConvNetWeights weights;
  weights.layers = {{6, 1, 3, draw(54, 0.3F), draw(6, 0.1F)},
                    {12, 1, 5, draw(300, 0.1F), draw(12, 0.1F)},
                    {3, 12, 1, draw(36, 0.1F), draw(3, 0.1F)},
                    {50, 3, 7, draw(7350, 0.1F), draw(50, 0.1F)}};
  weights.score_weights = draw(50, 1.0F);
  for (const std::string& isa : isa_names()) {
    const auto net = make_convnet(weights, {2, isa, {}});
    check_run(*net, 1, 1);
    check_run(*net, 40, 61);
  }
}

TEST_CASE("networks refuse weights that do not fit each other") {
  SpotNetWeights weights = spotnet_weights(2, 3, 5, Nonlinearity::soft);
  weights.alpha.pop_back();
  CHECK_THROWS(make_spotnet(weights), std::invalid_argument);
  CHECK_THROWS(make_convnet({}), std::invalid_argument);
  const auto net = make_spotnet(spotnet_weights(1, 2, 3, Nonlinearity::soft));
  float score = 0;
  CHECK_THROWS(net->run({nullptr, 1, 1, 1}, {}, {&score, 1}), std::invalid_argument);
}
