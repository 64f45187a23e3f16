// The networks' buffers, mostly for the sanitizers: tests/networks/ has the numbers.
#include <cmath>
#include <vector>

#include "check.hpp"
#include "network_weights.hpp"

using namespace spotcore;

namespace {

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
  const ConvNetWeights weights = convnet_weights();
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
