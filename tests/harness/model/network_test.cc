// What all networks have in common: sizes, the final layer, one flat vector, seeds, dropout, and what is
// refused.
#include "harness/model/network.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <omp.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <cstdint>
#include <thread>

#include "fedval/black_box/communication.hpp"
#include "fedval/error.hpp"
#include "tests/harness/model/written_out.hpp"

using namespace fedval::harness;

namespace {

const ExampleShape grey{1, 28, 28}, cifar{3, 32, 32}, imagenet{3, 224, 224},
    sentences{.length = 20, .vocabulary = 1000};

std::string refusal(const std::string& name, const ExampleShape& shape) {
  try {
    make_network(model(name), shape, 10, 1);
  } catch (const fedval::Error& error) {
    return error.what();
  }
  return "not refused";
}

class Dropping : public Network {
 public:
  explicit Dropping(double p) : p_(p) {}
  at::Tensor forward(const at::Tensor& x) override { return dropout(x, p_); }

 private:
  double p_;
};

/// One linear layer, or none.
class Plain : public Network {
 public:
  explicit Plain(bool linear, bool bias = true) {
    if (linear) register_module("only", torch::nn::Linear(torch::nn::LinearOptions(3, 2).bias(bias)));
  }
  at::Tensor forward(const at::Tensor& x) override { return x; }
};

}  // namespace

TEST_CASE("numbers of parameters, and a final layer whose weight and bias end the vector") {
  struct Known {
    std::string name, stem;
    ExampleShape shape;
    std::size_t classes;
    std::int64_t dimension;
    std::string layer;
    std::int64_t features;
  };
  const Known all[] = {
      {"mnist_cnn", "", grey, 10, 104'242, "fc2", 200},
      {"mnist_cnn", "", grey, 62, 104'242 + 52 * 201, "fc2", 200},
      {"cifar_cnn", "", cifar, 10, 121'182, "fc3", 84},
      {"cifar_cnn", "", cifar, 100, 121'182 + 90 * 85, "fc3", 84},
      {"tf_cnn", "", cifar, 10, 122'570, "fc2", 64},
      {"mlp", "", grey, 10, 140'106, "fc3", 64},
      {"mlp", "", grey, 62, 140'106 + 52 * 65, "fc3", 64},
      {"mlp", "", cifar, 10, 140'106 + 2 * 1024 * 128, "fc3", 64},
      {"small_cnn", "", grey, 10, 38'538, "fc2", 64},
      {"small_cnn", "", cifar, 100, 38'538 + 2 * 16 * 25 + 90 * 65, "fc2", 64},
      {"text_cnn", "", sentences, 2, 300'000 + 300 * 12 * 128 + 384 + 385 * 2, "fc", 384},
      {"resnet18", "imagenet", imagenet, 1000, 11'689'512, "fc", 512},
      {"resnet34", "imagenet", imagenet, 1000, 21'797'672, "fc", 512},
      {"resnet50", "imagenet", imagenet, 1000, 25'557'032, "fc", 2048},
      {"resnet18", "cifar", cifar, 10, 11'173'962, "fc", 512},
      {"resnet50", "cifar", cifar, 10, 23'520'842, "fc", 2048},
      {"vit_small", "", cifar, 10,
       66 * 192 + 49 * 192 + 6 * (4 * 192 + 193 * 576 + 193 * 192 + 193 * 768 + 769 * 192) + 2 * 192 +
           193 * 10,
       "head", 192},
      {"vit_b16", "", imagenet, 1000, 86'567'656, "head", 768},
  };
  for (const Known& known : all) {
    CAPTURE(known.name);
    CAPTURE(known.classes);
    ModelSettings settings = model(known.name);
    if (!known.stem.empty()) settings.stem = known.stem;
    const FlatNetwork network = make_network(settings, known.shape, known.classes, 1);
    const auto classes = static_cast<std::int64_t>(known.classes);
    CHECK(network.dimension() == known.dimension);
    CHECK(network.state().numel() == network.dimension() + network.buffers());
    CHECK(network.final_layer().name == known.layer);
    CHECK(network.final_layer().classes == classes);
    CHECK(network.final_layer().features == known.features);
    CHECK(network.final_layer().weight_begin == known.dimension - classes * (known.features + 1));
    CHECK(network.final_layer().bias_begin == known.dimension - classes);
    CHECK(network.final_weight(network.state()).sizes() == at::IntArrayRef{classes, known.features});
    CHECK(network.final_bias(network.state()).sizes() == at::IntArrayRef{classes});
    CHECK(at::isfinite(network.state()).all().item().toBool());
  }
}

// Ten clients, 100 rounds, both ways: what FedAvg sends where FedZGE's answers are compared with it.
TEST_CASE("federated averaging of residual networks sends 83.3, 158.6 and 175.3 GiB in 100 rounds") {
  const auto gibibytes = [](const std::string& name) {
    ModelSettings settings = model(name);
    settings.stem = "imagenet";
    const std::int64_t parameters = make_network(settings, cifar, 10, 1).dimension();
    const auto sent =
        fedval::black_box::communication_of_model(static_cast<std::uint64_t>(parameters)).total();
    return std::round(static_cast<double>(10 * 100 * sent) / (1 << 30) * 10) / 10;
  };
  CHECK(gibibytes("resnet18") == 83.3);
  CHECK(gibibytes("resnet34") == 158.6);
  CHECK(gibibytes("resnet50") == 175.3);
}

TEST_CASE("every model has a case above, and every name makes a network") {
  CHECK(model_names() == std::vector<std::string_view>{"mnist_cnn", "cifar_cnn", "tf_cnn", "mlp", "small_cnn",
                                                       "text_cnn", "resnet18", "resnet34", "resnet50",
                                                       "vit_small", "vit_b16"});
}

TEST_CASE(
    "the state is the network: writing to it changes the logits, and the final layer is where it says") {
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"mlp", "resnet18", "vit_small"}) {
    CAPTURE(name);
    FlatNetwork network = make_network(model(name), grey, 10, 1);
    network.train(false);
    const at::Tensor images = at::randn({2, 1, 28, 28});
    CHECK(network.parameters().data_ptr() == network.state().data_ptr());
    network.state().zero_();
    CHECK(network.forward(images).abs().max().item().toDouble() == 0);
    network.final_bias(network.state())[3] = 2;
    CHECK(network.forward(images).select(1, 3).eq(2).all().item().toBool());
    CHECK(network.forward(images).sum().item().toDouble() == 4);
    FlatNetwork other = make_network(model(name), grey, 10, 2);
    other.train(false);
    network.state().copy_(other.state());
    CHECK(network.forward(images).equal(other.forward(images)));
  }
}

TEST_CASE("backward passes add up in the gradient until it is zeroed") {
  FlatNetwork network = make_network(model("mlp"), grey, 10, 1);
  const at::Tensor images = at::randn({2, 1, 28, 28});
  CHECK(network.gradient().numel() == network.dimension());
  network.forward(images).sum().backward();
  const at::Tensor once = network.gradient().clone();
  // The sum of the logits grows by one for each of two examples and each entry of the final bias.
  CHECK(network.final_bias(once).eq(2).all().item().toBool());
  network.forward(images).sum().backward();
  CHECK(network.gradient().equal(2 * once));
  network.gradient().zero_();
  network.forward(images).sum().backward();
  CHECK(network.gradient().equal(once));
}

TEST_CASE("a seed decides the parameters, whatever was drawn before") {
  for (const std::string name : {"mnist_cnn", "vit_small"}) {
    const at::Tensor one = make_network(model(name), grey, 10, 1).state();
    at::rand({3});
    CHECK(one.equal(make_network(model(name), grey, 10, 1).state()));
    CHECK_FALSE(one.equal(make_network(model(name), grey, 10, 2).state()));
  }
}

TEST_CASE("a final layer may lack its bias; a network without a linear layer is refused") {
  const FlatNetwork network(std::make_shared<Plain>(true, false));
  CHECK(network.final_layer().name == "only");
  CHECK(network.final_layer().bias_begin == -1);
  CHECK_FALSE(network.final_bias(network.state()).defined());
  CHECK_THROWS_WITH_AS(FlatNetwork(std::make_shared<Plain>(false)),
                       "the network has no linear layer, so it has no final layer to measure", fedval::Error);
}

TEST_CASE("an unknown model, and examples that a model cannot take, are refused in words") {
  CHECK(refusal("mnist_cn", grey) ==
        "there is no model named \"mnist_cn\"; known: mnist_cnn, cifar_cnn, tf_cnn, mlp, small_cnn, "
        "text_cnn, resnet18, "
        "resnet34, resnet50, vit_small, vit_b16");
  CHECK(refusal("mnist_cnn", cifar) ==
        "model mnist_cnn takes images of 1 x 28 x 28, but the data are images of 3 x 32 x 32");
  CHECK(refusal("cifar_cnn", grey) ==
        "model cifar_cnn takes images of 3 x 32 x 32, but the data are images of 1 x 28 x 28");
  CHECK(refusal("tf_cnn", {3, 32, 31}) ==
        "model tf_cnn takes images of 3 x 32 x 32, but the data are images of 3 x 32 x 31");
  CHECK(refusal("mnist_cnn", sentences) ==
        "model mnist_cnn takes images of 1 x 28 x 28, but the data are sentences");
  for (const std::string name : {"mlp", "resnet18", "resnet34", "resnet50", "vit_small", "vit_b16"})
    CHECK(refusal(name, sentences) == "model " + name + " takes images, but the data are sentences");
  CHECK(refusal("text_cnn", cifar) ==
        "model text_cnn takes sentences, but the data are images of 3 x 32 x 32");
}

TEST_CASE("dropout: off in evaluation and for p = 0") {
  const at::Tensor x = at::randn({7, 11});
  Dropping network(0.4), never(0);
  network.train(false);
  CHECK(network.forward(x).equal(x));
  never.train(true);
  CHECK(never.forward(x).equal(x));
}

TEST_CASE("dropout: a share p is 0, the others are divided by 1 - p, so that the mean stays") {
  constexpr std::int64_t n = 200'000;
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    Dropping network(p);
    network.train(true);
    network.draw_from({3, 4});
    const at::Tensor dropped = network.forward(at::ones({n}));
    const at::Tensor kept = dropped.masked_select(dropped.ne(0));
    CHECK((kept * (1 - p) - 1).abs().max().item().toDouble() < 1e-6);
    // The number kept is binomial; five standard deviations.
    const double share = static_cast<double>(kept.numel()) / n;
    CHECK(std::abs(share - (1 - p)) < 5 * std::sqrt(p * (1 - p) / n));
  }
}

TEST_CASE("dropout: the key alone decides the mask, not other draws, threads, or the shape asked for") {
  const auto mask = [](fedval::random::Key key, at::IntArrayRef shape) {
    Dropping network(0.5);
    network.train(true);
    network.draw_from(key);
    const at::Tensor first = network.forward(at::ones(shape));
    return std::pair(first, network.forward(at::ones(shape)));
  };
  const auto [first, second] = mask({1, 2}, {300, 70});
  CHECK_FALSE(first.equal(second));
  at::rand({5});
  const int threads = omp_get_max_threads();
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    const auto [again, next] = mask({1, 2}, {300, 70});
    CHECK(again.equal(first));
    CHECK(next.equal(second));
  }
  at::set_num_threads(threads);
  CHECK(mask({1, 2}, {70, 300}).first.flatten().equal(first.flatten()));
  CHECK_FALSE(mask({1, 3}, {300, 70}).first.equal(first));
  CHECK_FALSE(mask({2, 2}, {300, 70}).first.equal(first));

  at::Tensor found[2];
  {
    std::vector<std::jthread> both;
    for (std::size_t i = 0; i < 2; ++i)
      both.emplace_back([&, i] { found[i] = mask({1, 2}, {300, 70}).second; });
  }
  for (const at::Tensor& one : found) CHECK(one.equal(second));
}

TEST_CASE("dropout: the gradient passes where the value passed") {
  Dropping network(0.5);
  network.train(true);
  const at::Tensor x = at::ones({1000}).requires_grad_(), dropped = network.forward(x);
  dropped.sum().backward();
  CHECK(x.grad().equal(dropped.detach()));
}
