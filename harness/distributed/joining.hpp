// What a rank needs before there is a group: its way to the store where all meet and to the network, and an
// end where the store does not answer.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "harness/distributed/rendezvous.hpp"

namespace fedval::harness {

/// The prefix of every key: nobody who does not know the secret, takes part in another run, or exchanges data
/// in another order, finds the others. (Raise the number with the order.)
std::string prefix_of(const Rendezvous& r);

/// This machine's name.
std::string host();
/// Address and port of the store.
std::string where(const Rendezvous& r);

/// Where a store does not answer: no wait for it can be ended.
[[noreturn]] void give_up(const std::string& name, const std::string& why);
/// Ends this process after so long, but for who asks the thread to stop before, as its destructor does: where
/// there is no pulse, nobody else would.
std::jthread deadline(const Rendezvous& r, std::chrono::seconds time);

/// A connection to the store, which this rank keeps where it `serves`. Error that says who is not there.
c10::intrusive_ptr<c10d::TCPStore> connect(const Rendezvous& r, bool serves);

/// The address of this machine from which rank 0 is reached: the others can reach it there. No packet is
/// sent.
std::string own_address(const Rendezvous& r);
/// Gloo's way to the network: by the interface that is named, else by that address. Error that names it.
std::shared_ptr<gloo::transport::Device> device_for(const Rendezvous& r);

}  // namespace fedval::harness
