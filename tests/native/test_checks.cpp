// Every argument that can be wrong, of every operation of a plan: each is refused, by its name. To
// add an operation, add a row to the table; to add a kind of mistake, add it to
// wrong_arguments.hpp.
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "wrong_arguments.hpp"

using namespace spotcore;
using namespace wrong;

namespace {

// Arguments by name, each with memory of its own that ends where it should.
struct Arguments {
  std::map<std::string, std::vector<float>> memory;
  std::map<std::string, ImageSpan> images;
  std::map<std::string, StackSpan> stacks;
  std::map<std::string, float> numbers;
  std::vector<float> weights{1, 0.5F};
  std::span<const float> xi = weights;
  float gamma = 0.1F;

  ImageSpan out(const std::string& name) const { return images.at(name); }
  ImageView in(const std::string& name) const {
    const ImageSpan image = images.at(name);
    return {image.data, image.height, image.width};
  }
  StackSpan outs(const std::string& name) const { return stacks.at(name); }
  StackView ins(const std::string& name) const {
    const StackSpan stack = stacks.at(name);
    return {stack.data, stack.bins, stack.height, stack.width};
  }
  float number(const std::string& name) const { return numbers.at(name); }
  Shrinkage shrinkage() const { return {gamma, xi}; }
};

struct Row {
  std::string operation;
  std::vector<std::string> images, stacks;  // a name that ends in ? may be left out
  std::vector<std::string> numbers;
  enum class Weights { none, xi, shrinkage } weights;
  std::function<void(Operations&, const Arguments&)> call;
};

using A = Arguments;
const Row kTable[] = {
    {"separable_conv",
     {},
     {"x", "y"},
     {},
     Row::Weights::none,
     [](Operations& ops, const A& a) { ops.separable_conv(a.ins("x"), a.outs("y")); }},
    {"forward",
     {"d"},
     {"a"},
     {},
     Row::Weights::none,
     [](Operations& ops, const A& a) { ops.forward(a.ins("a"), a.out("d")); }},
    {"adjoint",
     {"d"},
     {"a"},
     {},
     Row::Weights::none,
     [](Operations& ops, const A& a) { ops.adjoint(a.in("d"), a.outs("a")); }},
    {"group_shrink",
     {},
     {"x", "y"},
     {},
     Row::Weights::shrinkage,
     [](Operations& ops, const A& a) { ops.group_shrink(a.ins("x"), a.shrinkage(), a.outs("y")); }},
    {"fista_step",
     {"residual", "mask?", "A_next"},
     {"a", "a_prev", "next"},
     {"step", "alpha"},
     Row::Weights::shrinkage,
     [](Operations& ops, const A& a) {
       ops.fista_step(a.in("residual"), a.ins("a"), a.ins("a_prev"), a.in("mask"), a.number("step"),
                      a.number("alpha"), a.shrinkage(), a.outs("next"), a.out("A_next"));
     }},
    {"primal_dual_step",
     {"nu", "mask?", "Az"},
     {"e?", "z"},
     {"step", "relaxation"},
     Row::Weights::shrinkage,
     [](Operations& ops, const A& a) {
       ops.primal_dual_step(a.in("nu"), a.outs("e"), a.in("mask"), a.number("step"),
                            a.number("relaxation"), a.shrinkage(), a.outs("z"), a.out("Az"));
     }},
    {"dual_residual",
     {"nu", "Az", "d", "w?", "e_y", "Ae", "residual"},
     {},
     {"step_y", "relaxation"},
     Row::Weights::none,
     [](Operations& ops, const A& a) {
       ops.dual_residual(a.in("nu"), a.in("Az"), a.in("d"), a.in("w"), a.number("step_y"),
                         a.number("relaxation"), a.out("e_y"), a.out("Ae"), a.out("residual"));
     }},
    {"normal_solve",
     {"r", "x"},
     {},
     {"c", "relaxation"},
     Row::Weights::none,
     [](Operations& ops, const A& a) {
       ops.normal_solve(a.in("r"), a.number("c"), a.number("relaxation"), a.out("x"));
     }},
    {"residual",
     {"Aa", "Aa_prev", "d", "w?", "residual"},
     {},
     {"alpha"},
     Row::Weights::none,
     [](Operations& ops, const A& a) {
       ops.residual(a.in("Aa"), a.in("Aa_prev"), a.number("alpha"), a.in("d"), a.in("w"),
                    a.out("residual"));
     }},
    {"background_ratio",
     {"mask?"},
     {"v", "q"},
     {},
     Row::Weights::xi,
     [](Operations& ops, const A& a) {
       ops.background_ratio(a.ins("v"), a.ins("q"), a.in("mask"), a.xi);
     }},
    {"dual_norm",
     {"mask?"},
     {"v", "q?"},
     {"rho"},
     Row::Weights::xi,
     [](Operations& ops, const A& a) {
       ops.dual_norm(a.ins("v"), a.ins("q"), a.number("rho"), a.in("mask"), a.xi);
     }},
};

// "w?" is w, which may be left out.
std::pair<std::string, bool> name_of(const std::string& entry) {
  const bool optional = entry.back() == '?';
  return {entry.substr(0, entry.size() - (optional ? 1 : 0)), optional};
}

Arguments right_arguments(const Row& row) {
  Arguments arguments;
  for (const std::string& entry : row.images) {
    const std::string name = name_of(entry).first;
    auto& memory = arguments.memory[name] = std::vector<float>(kHeight * kWidth, 1.0F);
    arguments.images[name] = {memory.data(), kHeight, kWidth};
  }
  for (const std::string& entry : row.stacks) {
    const std::string name = name_of(entry).first;
    auto& memory = arguments.memory[name] = std::vector<float>(kBins * kHeight * kWidth, 1.0F);
    arguments.stacks[name] = {memory.data(), kBins, kHeight, kWidth};
  }
  for (const std::string& name : row.numbers) arguments.numbers[name] = 0.5F;
  return arguments;
}

}  // namespace

TEST_CASE("every operation refuses every wrong argument, by name, and takes the right ones") {
  const auto ops = plan();
  for (const Row& row : kTable) {
    Arguments arguments = right_arguments(row);
    const auto call = [&] { row.call(*ops, arguments); };
    call();
    for (const std::string& entry : row.images) {
      const auto [name, optional] = name_of(entry);
      each_wrong_image(arguments.images[name], optional,
                       [&, name = name] { refused(row.operation, name + ":", call); });
    }
    for (const std::string& entry : row.stacks) {
      const auto [name, optional] = name_of(entry);
      each_wrong_stack(arguments.stacks[name], optional,
                       [&, name = name] { refused(row.operation, name + ":", call); });
    }
    for (const std::string& name : row.numbers) {
      const float right = std::exchange(arguments.numbers[name], kNaN);
      refused(row.operation, name + ":", call);
      arguments.numbers[name] = right;
    }
    if (row.weights != Row::Weights::none) {
      each_wrong_xi(arguments.xi, [&] { refused(row.operation, "xi:", call); });
    }
    if (row.weights == Row::Weights::shrinkage) {
      for (const float wrong : {-1.0F, kNaN, std::numeric_limits<float>::infinity()}) {
        arguments.gamma = wrong;
        refused(row.operation, "gamma:", call);
      }
      arguments.gamma = 0.1F;
    }
    for (const std::string& entry : row.images) {
      const auto [name, optional] = name_of(entry);
      if (optional) arguments.images[name].data = nullptr;
    }
    for (const std::string& entry : row.stacks) {
      const auto [name, optional] = name_of(entry);
      if (optional) arguments.stacks[name].data = nullptr;
    }
    call();  // without what may be left out
  }
}

TEST_CASE("signs that an operation cannot work with are refused") {
  const auto ops = plan();
  for (const Row& row : kTable) {
    for (const auto& [name, wrong] : {std::pair{"c", 0.0F}, {"c", -1.0F}, {"step_y", -1.0F}}) {
      Arguments arguments = right_arguments(row);
      if (!arguments.numbers.contains(name)) continue;
      arguments.numbers[name] = wrong;
      refused(row.operation, std::string(name) + ":", [&] { row.call(*ops, arguments); });
    }
  }
}
