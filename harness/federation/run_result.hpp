// What rounds and runs leave behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "harness/checkpoint/archive.hpp"

namespace fedval::harness {

/// A number and what it is.
struct Figure {
  std::string name;
  double value = 0;
};
/// Adds to the figure of that name, the last one where it is new.
void add(std::vector<Figure>& figures, const std::string& name, double value);

/// What one round left behind.
struct RoundRecord {
  struct ReaderScores {
    std::string name;
    Scores scores;
    double seconds = 0;
  };
  struct Refused {
    ClientId id;
    std::string reason;  ///< "update[17] is NaN"
  };

  std::size_t round = 0;  ///< from 1
  double learning_rate = 0;
  std::optional<double> server_accuracy = {};  ///< where the round was evaluated
  std::vector<ClientId> participants = {};     ///< whose updates were used
  std::vector<ClientId> stragglers = {};       ///< those of them that did a part of their steps
  std::vector<Refused> refused = {};           ///< whose updates were not, and why
  std::vector<ReaderScores> readers = {};      ///< several names of one attacker are one
  double seconds = 0;                ///< of the whole round, evaluation included, the readers left out
  double training_seconds = 0;       ///< of the agents' training
  double valuation_seconds = 0;      ///< of the method's step: scoring, weighing, aggregating, rewarding
  std::vector<Figure> figures = {};  ///< what only this method has: losses of a generator
};

/// What a run found.
struct RunResult {
  struct Reader {
    std::string name;
    std::map<ClientId, double> scores;  ///< the last of each agent
    double seconds = 0;                 ///< of all rounds
  };

  /// What the readers made of a world in which one agent attacked and nothing else was different.
  struct Attack {
    std::string kind;
    ClientId agent = 0;
    std::vector<Reader> readers;  ///< what the attacker's names got is added up
  };

  /// How much of the server's step s an agent's model took in, d its change; sums over its rounds.
  struct Download {
    double energy = 0;   ///< <d, s> / <s, s>: for a masked step the share of its squared length that is left
    double entries = 0;  ///< share of the model's entries that changed
    std::size_t rounds = 0;
  };

  std::size_t rounds = 0;
  double server_accuracy = 0;                      ///< after the last round
  double best_server_accuracy = 0;                 ///< of the rounds that were evaluated
  std::vector<double> agent_accuracy, agent_loss;  ///< of the model each agent ends with
  std::map<ClientId, Download> downloads;          ///< of the agents that ever took part
  std::map<ClientId, double> credit;  ///< of the agents that ever took part, under all of their names
  std::vector<Reader> readers;
  std::vector<Attack> attacks;
  std::vector<std::string> notes;
  std::map<ClientId, std::string> refused;  ///< agents, and why, since somebody's update was used last
  double seconds = 0, training_seconds = 0, valuation_seconds = 0;
  std::vector<Figure> bytes;   ///< sent between server and agents, by what the messages carry
  std::vector<Figure> split;   ///< seconds, of the phases of a round
  std::uint64_t answered = 0;  ///< images in answers that could be used
};
void fields(Archive& archive, RunResult& result);

/// Keeps who was refused in a round, until somebody's update is used; a round in which nobody's was has a
/// note. Error, which names them all, when so each of `agents` was: nothing is left to go on with.
void note_refused(const RoundRecord& record, std::size_t agents, RunResult& result);

/// Keeps the accuracy of a round that was evaluated.
void note_accuracy(const RoundRecord& record, RunResult& result);

}  // namespace fedval::harness
