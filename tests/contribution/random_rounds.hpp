// Random rounds of federated training, with honest clients and all kinds of attackers, for the scores and for
// their definitions (naive_scores.hpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "fedval/random/philox.hpp"
#include "fedval/tensor/eigen.hpp"
#include "tests/contribution/naive_scores.hpp"

namespace fedval::tests {

template <class S>
using RowMatrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// What one client sends: a model of three parameters, the last two its final layer.
template <class S>
struct Upload {
  std::vector<S> body;
  RowMatrix<S> weight;
  std::vector<S> bias;  // empty: none

  TensorView update() const { return {body, weight, bias}; }
  ClientParts parts() const {
    return {.update = update(),
            .final_weight = weight,
            .final_bias = bias.empty() ? TensorView() : TensorView(bias)};
  }
  void for_each(auto&& change) {
    for (S& value : body) value = static_cast<S>(change(value));
    for (S& value : weight.reshaped()) value = static_cast<S>(change(value));
    for (S& value : bias) value = static_cast<S>(change(value));
  }
  Upload scaled(S factor) const {
    Upload result = *this;
    result.for_each([&](S value) { return value * factor; });
    return result;
  }
  naive::Vec flat() const {
    std::vector<double> values(update().size());
    update().read(0, values);
    return Eigen::Map<Eigen::VectorXd>(values.data(), naive::Index(values.size())).cast<naive::Real>();
  }
};

/// a x + b y, entry by entry.
template <class S>
Upload<S> mixed(double a, const Upload<S>& x, double b, const Upload<S>& y) {
  Upload<S> result = x;
  const auto mix = [&](auto& to, const auto& from) {
    for (naive::Index i = 0; i < naive::Index(from.size()); ++i)
      to.data()[i] = static_cast<S>(a * to.data()[i] + b * from.data()[i]);
  };
  mix(result.body, y.body), mix(result.weight, y.weight), mix(result.bias, y.bias);
  return result;
}

/// A round and all that its views show.
template <class S>
struct Sent {
  std::map<ClientId, Upload<S>> clients = {};
  std::optional<Upload<S>> global = {};

  Round round() const {
    std::vector<ClientId> order;
    for (const auto& [id, upload] : clients) order.push_back(id);
    return round(order);
  }
  Round round(const std::vector<ClientId>& order) const {
    Round result;
    for (const ClientId& id : order) result.add(id, clients.at(id).parts());
    if (global) {
      result.global_update = global->update();
      result.global_final_weight = global->weight;
    }
    return result;
  }
  naive::Round naive() const {
    naive::Round result;
    for (const auto& [id, upload] : clients) {
      const naive::Vec bias = Eigen::Map<const Eigen::Matrix<S, Eigen::Dynamic, 1>>(
                                  upload.bias.data(), naive::Index(upload.bias.size()))
                                  .template cast<naive::Real>();
      result.clients.push_back({id, upload.flat(), upload.weight.template cast<naive::Real>(), bias});
    }
    if (global) {
      result.global_update = global->flat();
      result.global_weight = global->weight.template cast<naive::Real>();
    }
    return result;
  }
  /// The same with every upload, the global one included, changed.
  Sent changed(const std::function<Upload<S>(const Upload<S>&)>& change) const {
    Sent result = *this;
    for (auto& [id, upload] : result.clients) upload = change(upload);
    if (global) result.global = change(*global);
    return result;
  }
};

struct Layer {
  naive::Index classes = 4, features = 7;
  std::size_t body = 9;
  bool bias = true;
};

/// Clients that come and go, with a common direction, a taste of their own, noise, and now and then someone
/// who copies, replays, flips, sends noise or nothing; they are fewer than half.
template <class S>
class Federation {
 public:
  Federation(random::Stream& stream, Layer layer, std::size_t pool = 9) : stream_(stream), layer_(layer) {
    for (std::size_t i = 0; i < pool; ++i) tastes_.push_back(gaussian());
    common_ = gaussian();
  }

  Upload<S> gaussian(double scale = 1) {
    Upload<S> result{std::vector<S>(layer_.body), RowMatrix<S>(layer_.classes, layer_.features),
                     std::vector<S>(layer_.bias ? static_cast<std::size_t>(layer_.classes) : 0)};
    result.for_each([&](S) { return scale * stream_.normal(); });
    return result;
  }

  /// A round of `count` clients, 2 to all where it is 0; without attackers where it must be.
  Sent<S> next(std::size_t count = 0, bool attackers = true) {
    const std::size_t n = count > 0 ? count : 2 + stream_.below(tastes_.size() - 1);
    std::vector<std::size_t> ids(tastes_.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = i;
    stream_.shuffle(std::span(ids));
    const Upload<S> common = mixed(0.8, common_, 0.5, gaussian());
    Sent<S> sent;
    if (rounds_++ > 0) sent.global = global_;
    const std::size_t bad = attackers ? stream_.below((n + 1) / 2) : 0;
    for (std::size_t k = 0; k < n; ++k) {
      Upload<S> upload = mixed(1, mixed(0.7, common, 0.5, tastes_[ids[k]]), 0.4, gaussian());
      if (sent.global) upload = mixed(1, upload, 0.5, *sent.global);
      if (k >= n - bad) upload = attack(sent, upload, sent.clients.at(ids[0]));
      sent.clients[ids[k]] = upload.scaled(static_cast<S>(std::exp(stream_.normal())));
    }
    global_ = mixed(0.6, common, 0.3, gaussian());
    return sent;
  }

 private:
  Upload<S> attack(const Sent<S>& sent, const Upload<S>& honest, const Upload<S>& other) {
    switch (stream_.below(6)) {
      case 0:
        return gaussian();
      case 1:
        return honest.scaled(-1);
      case 2:
        return other;
      case 3:
        return mixed(1, other, 0.02, honest);
      case 4:
        return sent.global ? sent.global->scaled(-1.75) : honest;
      default:
        return honest.scaled(0);
    }
  }

  random::Stream& stream_;
  Layer layer_;
  std::vector<Upload<S>> tastes_;
  Upload<S> common_, global_;
  std::size_t rounds_ = 0;
};

}  // namespace fedval::tests
