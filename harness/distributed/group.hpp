// What Ranks is made of: the processes of one run as they are numbered now, the store where they meet, the
// pulse that tells who is lost, and Gloo, which moves the data.
//
// Ranks wait for one another's messages as long as it takes, until the pulse says that one is lost: an error
// of c10d's, whose own words name no rank, becomes that of the rank behind it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "harness/distributed/pulse.hpp"
#include "harness/distributed/ranks.hpp"
#include "harness/distributed/rendezvous.hpp"

namespace fedval::harness {

class Ranks::Group {
 public:
  /// As Ranks' constructor.
  explicit Group(const Rendezvous& r);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const Rendezvous& rendezvous() const { return rendezvous_; }
  const std::string& name(std::size_t rank) const { return names_[rank]; }
  /// Ranks on this machine.
  std::size_t beside() const { return beside_; }
  /// Bytes of tensors that came from other ranks.
  std::size_t received() const { return received_; }

  /// Everyone's tensor, all of one shape and type, in the order of the ranks.
  std::vector<at::Tensor> gather(const at::Tensor& own);
  /// tensors[i], contiguous, of rank owners[i] to all.
  void broadcast(const std::vector<at::Tensor>& tensors, std::span<const std::size_t> owners);
  /// A tensor, contiguous, from one rank to another; all know of it, but those two alone have it.
  struct Parcel {
    at::Tensor tensor;
    std::size_t from, to;
  };
  void send(const std::vector<Parcel>& parcels);

  void abandon(const std::string& why) { why_ = why.substr(0, why.find('\n')); }
  bool lost_one() const { return rendezvous_.goes_on && pulse_ && pulse_->lost_one(); }
  void reform();
  void finish();

 private:
  template <class Steps>
  void exchange(Steps&& steps);
  void wait(c10d::Work& work, int other);
  void pass_on(const std::vector<at::Tensor>& tensors, std::size_t owner);
  c10::intrusive_ptr<c10d::Store> of_generation(c10::intrusive_ptr<c10d::Store> store) const;
  void form();
  void meet();
  std::vector<std::string> meet_all();
  std::string missing_ranks();
  std::vector<std::size_t> members_of(c10d::Store& next, Pulse& before);
  [[noreturn]] void explain(const std::exception& error, const std::function<void()>& check);
  void part();
  void linger();

  Rendezvous rendezvous_;
  std::shared_ptr<gloo::transport::Device> device_;
  c10::intrusive_ptr<c10d::Store> everyone_;
  std::string prefix_;
  std::size_t generation_ = 0, beside_ = 1, received_ = 0;
  c10::intrusive_ptr<c10d::Store> store_;  // of this generation
  std::vector<std::string> names_;
  std::unique_ptr<Pulse> pulse_;  // none while the ranks number themselves anew
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  bool finished_ = false;
  std::string why_;
};

}  // namespace fedval::harness
