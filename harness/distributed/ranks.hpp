// The processes of one run, on one machine or several, over LibTorch's own engine (c10d): TCPStore to meet,
// Gloo for the data. Every rank runs the same program on the same settings; what can be done apart is done by
// one rank each, and told to all:
//
//   owners(costs) -> each rank computes what it owns -> share(): every rank has it
//                                                    -> cut():   every rank has a run of it (sliced.hpp)
//
// with the same bits as in a single process. One rank leads: it alone writes files
// and speaks. Nothing is encrypted, and whoever can reach the port can falsify a run: a trusted network or a
// tunnel is assumed. Who does not know the secret cannot join.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/distributed/rendezvous.hpp"

namespace fedval::harness {

class Ranks {
 public:
  /// One process, alone.
  Ranks();
  /// Meets the others. Error that names who did not come within the patience, or is there twice.
  explicit Ranks(const Rendezvous& rendezvous);
  /// Unless finish() was reached, tells the others that this rank has left, and why if abandon() said it.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  std::size_t rank() const { return rank_; }
  std::size_t count() const { return count_; }
  bool leads() const { return rank_ == 0; }
  /// Ranks on this machine, which share its cores.
  std::size_t beside() const;

  /// Which rank does each of the tasks: the most costly first, each to the rank with the least so far.
  std::vector<std::size_t> owners(std::span<const std::size_t> costs) const;

  /// Calls `work`, and where it throws an Error on some ranks throws that of the first of them on all.
  void together(const std::function<void()>& work);

  /// tensors[i] of rank owners[i] becomes everyone's. `like`: shape and type of those that are not here yet.
  /// sum over i of bytes(tensors[i]) received by every rank.
  void share(std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners, const at::Tensor& like);
  /// The same, to the leading rank alone.
  void collect(std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners, const at::Tensor& like);
  /// The same as share() of numbers.
  void share(std::vector<double>& values, std::span<const std::size_t> owners);
  /// And of texts.
  void share(std::vector<std::string>& texts, std::span<const std::size_t> owners);

  /// The run of rank r of a vector is [bounds[r], bounds[r + 1]). wholes[i], flat, is with rank owners[i];
  /// every rank gets its own run of it. `like`: type of those that are elsewhere.
  std::vector<at::Tensor> cut(const std::vector<at::Tensor>& wholes, std::span<const std::size_t> owners,
                              std::span<const std::int64_t> bounds, const at::Tensor& like);
  /// The vectors of which every rank has its own runs, vector i on rank to[i]; undefined on the others.
  std::vector<at::Tensor> join(const std::vector<at::Tensor>& own, std::span<const std::int64_t> bounds,
                               std::span<const std::size_t> to);
  /// The runs of the other ranks come into a vector of which every rank has written its own.
  void complete(const at::Tensor& whole, std::span<const std::int64_t> bounds);
  /// add() adds to `total`, on rank 0 first, on the last rank last; all have the last one's total then.
  void in_turn(std::span<double> total, const std::function<void()>& add);

  /// The leading rank's text.
  std::string leading(const std::string& own);
  /// Its answers; all know how many there are.
  std::vector<bool> leading(const std::vector<bool>& own);
  /// Whether it is so on any rank.
  bool any(bool own);

  /// Error that names the first rank whose text differs from the leading rank's: what = "settings", "data".
  void check_same(const std::string& text, const std::string& what);

  /// Bytes of vectors, numbers and texts that came from other ranks so far.
  std::size_t received() const;

  /// Whether the last Error came of a rank that is lost, and the others are to go on without it.
  bool lost_one() const;
  /// The ranks that are left number themselves anew, in their order; rank 0 stays. Error for one that was
  /// taken for lost, and as the constructor.
  void reform();

  /// Waits for all, after which this rank may end without a word.
  void finish();
  /// Why this rank is about to leave; others say it.
  void abandon(const std::string& why);

 private:
  class Group;

  /// Each rank's text, in the order of the ranks.
  std::vector<std::string> texts(const std::string& own);

  std::size_t rank_ = 0, count_ = 1;
  std::unique_ptr<Group> group_;
};

}  // namespace fedval::harness
