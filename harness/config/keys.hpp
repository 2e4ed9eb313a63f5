// The table of all settings: the one place that says how a setting is called in the file, where it is kept,
// what it accepts and what it means. Reading, writing, suggestions and documentation all walk this table.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "harness/config/rules.hpp"
#include "harness/config/settings.hpp"

namespace fedval::harness {

/// Where a setting stands in the file; table is empty for the keys above the first table.
struct KeyName {
  std::string_view table, name;
  bool operator==(const KeyName&) const = default;

  /// "training.rounds"
  std::string path() const {
    return table.empty() ? std::string(name) : std::string(table) + "." + std::string(name);
  }
};

/// "cpu", "cuda" or "cuda:N", N below 100.
inline bool is_device_name(std::string_view text) {
  if (text == "cpu" || text == "cuda") return true;
  if (!text.starts_with("cuda:")) return false;
  const std::string_view number = text.substr(5);
  return (number.size() == 1 || (number.size() == 2 && number[0] != '0')) &&
         number.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Whether the text can name the folder of a run: letters, digits, '.', '_' and '-', no dot in front.
inline bool is_folder_name(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.front() != '.' && text.find_first_not_of(letters) == std::string_view::npos;
}

/// Calls visit(KeyName, member, rule, help) for every setting; those of one table come one after the other,
/// and the keys without a table come first.
template <class AnySettings, class Visitor>
requires std::same_as<std::remove_cvref_t<AnySettings>, Settings>
void visit_keys(AnySettings&& s, Visitor&& visit) {
  const Count any, positive{1};
  const Real above_0, from_0{.includes_low = true}, fraction{.high = 1, .includes_low = true},
      decay{.high = 1, .includes_high = true}, share{.high = 1, .includes_low = true, .includes_high = true};
  const Choice models{{"mnist_cnn", "cifar_cnn", "tf_cnn", "mlp", "small_cnn", "text_cnn", "resnet18",
                       "resnet34", "resnet50", "vit_small", "vit_b16"}};
  const Count width{1, 4096};

  visit(KeyName{"", "name"}, s.name,
        Text{"letters, digits, '.', '_' and '-', with no '.' in front", is_folder_name},
        "Names the folder of the run.");
  visit(KeyName{"", "seed"}, s.seed, any, "The same seed gives the same experiment.");
  visit(KeyName{"", "threads"}, s.threads, Count{0, 1024},
        "Agents trained at the same time; 0 = one for each core, on a GPU one.");
  visit(KeyName{"", "device"}, s.device, Text{"\"cpu\", \"cuda\" or \"cuda:N\"", is_device_name},
        "Where models are trained and updates are scored: the processor, or a GPU, the first or the one of "
        "number N.");

  visit(KeyName{"data", "set"}, s.data.set,
        Choice{{"auto", "mnist", "fashion_mnist", "mnist_writers", "femnist", "cifar10", "cifar100",
                "cifar100_coarse", "fedisic2019", "mr", "sst", "sst_binary", "digits", "sentences"}},
        "The data set; \"auto\" = mnist where its files are found, otherwise the small built-in digits.");
  visit(KeyName{"data", "held_out"}, s.data.held_out, any,
        "Training examples that no agent gets, for evaluation.on = \"held_out\"; they join the set's own "
        "held-out part where it has one.");

  visit(
      KeyName{"partition", "kind"}, s.partition.kind,
      Choice{{"uni", "iid", "pow", "step_quantity", "free_rider", "cla", "cla_distinct", "step_label_skew",
              "only_label_skew", "dirichlet", "natural"}},
      "uni, iid = equal shares; pow = shares by a power law; step_quantity = shares that grow by a step; "
      "free_rider = the last agent repeats a few examples; cla = agents that know 1 to all classes, sharing "
      "examples, cla_distinct = not sharing any; step_label_skew = more and more classes; only_label_skew = "
      "the same at equal sizes; dirichlet = classes cut by Dirichlet shares; natural = an agent is a writer "
      "or a centre of the data.");
  visit(KeyName{"partition", "agents"}, s.partition.agents, positive, "Number of agents.");
  visit(KeyName{"partition", "samples_per_agent"}, s.partition.samples_per_agent, any,
        "Training examples of an agent, on average; in natural, at most. 0 = all there are.");
  visit(KeyName{"partition", "alpha"}, s.partition.alpha, Real{.low = 1e-300, .includes_low = true},
        "dirichlet: large = alike agents, small = an agent knows few classes.");
  visit(KeyName{"partition", "smallest_shard"}, s.partition.smallest_shard, positive,
        "dirichlet: drawn again until every agent has so many examples.");
  visit(KeyName{"partition", "step"}, s.partition.step, share,
        "step_quantity: an agent's share of the data minus that of the agent before it.");
  visit(KeyName{"partition", "fewest_classes"}, s.partition.fewest_classes, positive,
        "step_label_skew, only_label_skew: classes of the first agent; each later one has a step more.");
  visit(KeyName{"partition", "most_of_class"}, s.partition.most_of_class, positive,
        "only_label_skew: examples of a class that the first agent takes.");
  visit(KeyName{"partition", "least_of_class"}, s.partition.least_of_class, positive,
        "only_label_skew: a class with fewer examples left is passed over.");
  visit(KeyName{"partition", "free_rider_samples"}, s.partition.free_rider_samples, positive,
        "free_rider: different examples of the last agent.");

  visit(KeyName{"noise", "label_agents"}, s.noise.label_agents, Counts{{1}},
        "Agents, by number from 1, some of whose labels are wrong.");
  visit(KeyName{"noise", "label_share"}, s.noise.label_share, share, "Share of their labels that are wrong.");
  visit(KeyName{"noise", "feature_agents"}, s.noise.feature_agents, Counts{{1}},
        "Agents, by number from 1, whose images are noisy.");
  visit(KeyName{"noise", "feature_deviation"}, s.noise.feature_deviation, from_0,
        "Standard deviation of the Gaussian noise in their pixels; 1 = the whole range of a pixel.");

  visit(KeyName{"model", "name"}, s.model.name, models, "The network.");
  visit(KeyName{"model", "norm"}, s.model.norm, Choice{{"batch", "group"}},
        "resnet: what normalises the channels; batch keeps running statistics, which the server averages.");
  visit(KeyName{"model", "groups"}, s.model.groups, positive,
        "resnet with norm = \"group\": groups of channels.");
  visit(
      KeyName{"model", "stem"}, s.model.stem, Choice{{"cifar", "imagenet"}},
      "resnet: the first layers; cifar = 3 x 3 at full resolution, imagenet = 7 x 7 and pooling, a sixteenth "
      "of the positions.");
  visit(KeyName{"model", "width"}, s.model.width, width,
        "small_cnn: channels of its first layer; the others grow with it.");
  visit(KeyName{"model", "embedding"}, s.model.embedding, Count{1, 65536},
        "text_cnn: numbers that stand for a word.");
  visit(KeyName{"model", "kernels"}, s.model.kernels, Count{1, 65536}, "text_cnn: kernels of a branch.");
  visit(KeyName{"model", "kernel_widths"}, s.model.kernel_widths, Counts{{1, 64}, 1, true},
        "text_cnn: words that a branch sees at once; one branch for each entry.");
  visit(KeyName{"model", "dropout"}, s.model.dropout, fraction,
        "text_cnn: share of the activations set to 0 in training.");

  visit(KeyName{"training", "rounds"}, s.training.rounds, positive, "Times the agents meet.");
  visit(KeyName{"training", "local_epochs"}, s.training.local_epochs, positive,
        "Passes of an agent over its examples in a round.");
  visit(KeyName{"training", "batch_size"}, s.training.batch_size, positive, "Most examples in a step.");
  visit(KeyName{"training", "batches"}, s.training.batches, Choice{{"equal", "full"}},
        "How an epoch is cut: equal = into as few batches as can be, of sizes that differ by one at most; "
        "full = full "
        "batches, and one of what is left, which may be a single example whose wild step ends the epoch.");
  visit(KeyName{"training", "optimiser"}, s.training.optimiser, Choice{{"sgd", "adam"}},
        "What makes a step of a gradient; made anew by every agent in every round.");
  visit(KeyName{"training", "learning_rate"}, s.training.learning_rate, above_0,
        "Step size in the first round.");
  visit(
      KeyName{"training", "schedule"}, s.training.schedule,
      Choice{{"exponential", "cosine", "constant", "cosine_in_round"}},
      "How the learning rate falls from round to round; cosine_in_round: from epoch to epoch of each round, "
      "towards 0.");
  visit(KeyName{"training", "learning_rate_decay"}, s.training.learning_rate_decay, decay,
        "exponential: the learning rate is multiplied by this after each round.");
  visit(KeyName{"training", "final_learning_rate"}, s.training.final_learning_rate, from_0,
        "cosine: what the learning rate would be after the last round.");
  visit(KeyName{"training", "momentum"}, s.training.momentum, fraction, "sgd: memory of the steps before.");
  visit(KeyName{"training", "weight_decay"}, s.training.weight_decay, from_0,
        "Added to the gradient: this times the weights.");

  visit(KeyName{"participation", "fraction"}, s.participation.fraction, decay,
        "Share of the agents drawn for a round, rounded up.");
  visit(KeyName{"participation", "dropout"}, s.participation.dropout, share,
        "Probability that a drawn agent never answers. One that answers always remains, with 1 that one "
        "alone.");
  visit(KeyName{"participation", "stragglers"}, s.participation.stragglers, share,
        "Probability that an agent runs out of time and sends what it reached after a part of its steps, "
        "drawn uniformly.");
  visit(KeyName{"participation", "longest_update"}, s.participation.longest_update, from_0,
        "An update more than this many times as long as the server's model is left out of its round, and "
        "named, as one that is not finite; 0 = none is too long. Attacks beside training and retrained "
        "coalitions are not held to it.");

  visit(KeyName{"evaluation", "on"}, s.evaluation.on, Choice{{"test", "held_out"}},
        "The part that accuracies are measured on. Neither is ever trained on.");
  visit(KeyName{"evaluation", "accuracy"}, s.evaluation.accuracy, Choice{{"plain", "balanced"}},
        "What every accuracy is: plain = the share of the examples that are labelled right; balanced = the "
        "mean of this share over the classes that are there, so that a rare class counts as much as a common "
        "one.");
  visit(KeyName{"evaluation", "test_samples"}, s.evaluation.test_samples, any,
        "Examples of it that are used, the first ones; 0 = all.");
  visit(KeyName{"evaluation", "every"}, s.evaluation.every, positive,
        "Rounds between evaluations of the server's model.");

  visit(KeyName{"checkpoint", "every"}, s.checkpoint.every, any,
        "Rounds between checkpoints, from which `resume` goes on; 0 = none.");

  visit(KeyName{"methods", "run"}, s.methods.run,
        Choices{{"fedavg",
                 "fedavg_uniform",
                 "fedopt",
                 "qffl",
                 "afl",
                 "cffl",
                 "rffl",
                 "residual",
                 "shapfed",
                 "cgsv",
                 "cgsv_exact",
                 "cgsv_euclidean",
                 "cgsv_authors_code",
                 "spectral_fed",
                 "spectral_fuse",
                 "spectral_fuse_reference",
                 "gated_entropy",
                 "confirmed_entropy",
                 "verified_entropy",
                 "fedzge",
                 "fedmd",
                 "feddf",
                 "dense",
                 "fedgen"}},
        "The methods compared, each from the same start on the same data. From fedzge on the server's "
        "model learns from answers, see [black_box]; scores are not read on their rounds.");

  visit(KeyName{"scores", "read"}, s.scores.read,
        Choices{{"data_size",
                 "cgsv",
                 "cgsv_exact",
                 "cgsv_euclidean",
                 "leave_one_out_cosine",
                 "rffl",
                 "residual",
                 "spectral_fed",
                 "spectral_fuse",
                 "spectral_fuse_reference",
                 "shapfed",
                 "gated_entropy",
                 "consensus_entropy",
                 "confirmed_entropy",
                 "verified_entropy",
                 "leave_one_out",
                 "eci_or",
                 "eci_mr",
                 "fedsv",
                 "comfedsv",
                 "gtg_shapley"},
                0},
        "The scores computed on every method's rounds, whatever steers them. From leave_one_out on they test "
        "models of coalitions on the validation examples.");

  visit(KeyName{"validation", "samples"}, s.validation.samples, any,
        "Held-out examples that the server tests models on while they are trained, the first ones; 0 = all.");
  visit(KeyName{"validation", "utility"}, s.validation.utility, Choice{{"accuracy", "loss"}},
        "What a coalition's model is worth: its accuracy, or minus its mean loss.");

  visit(KeyName{"attack", "kinds"}, s.attack.kinds,
        Choices{{"uniform_noise",
                 "gaussian_noise",
                 "zero",
                 "replay",
                 "label_flip",
                 "sign_flip",
                 "sign_random",
                 "rescale",
                 "overclaim",
                 "duplicate",
                 "copy",
                 "sybil",
                 "inflate",
                 "mixed_replay",
                 "few_samples",
                 "spanned_noise",
                 "spanned_few_samples",
                 "flatten",
                 "loose_sybil",
                 "spanned_sybil",
                 "whitened_replay",
                 "forge",
                 "collusion"},
                0},
        "What attackers send: noise, nothing, the last global update, an update trained on flipped "
        "labels, minus theirs, theirs with random signs, theirs times attack.factor, theirs with "
        "attack.factor times the samples, theirs twice, "
        "another agent's, theirs under several names, theirs with noise in the final layer, a mixture "
        "with the last global update, or one trained on a few examples with noise; and what is made to "
        "deceive scores, see docs/studies.md.");
  visit(KeyName{"attack", "agents"}, s.attack.agents, Counts{{1}}, "Agents, by number from 1, that attack.");
  visit(
      KeyName{"attack", "role"}, s.attack.role, Choice{{"beside", "inside"}},
      "beside = everyone trains honestly, and each kind by each agent is scored as if it had been sent, one "
      "after the other; inside = all of them attack at once with the one kind, and training suffers it.");
  visit(KeyName{"attack", "noise"}, s.attack.noise, above_0,
        "Length of noise, relative to what it takes the place of or is added to.");
  visit(KeyName{"attack", "factor"}, s.attack.factor, above_0, "rescale, overclaim: times this.");
  visit(KeyName{"attack", "identities"}, s.attack.identities, Count{2, 1000},
        "sybil, loose_sybil, spanned_sybil, collusion: names of the attacker.");

  visit(KeyName{"truth", "coalitions"}, s.truth.coalitions, Choice{{"none", "retrained"}},
        "retrained = FedAvg is run by each of the 2^N sets of agents, which gives the exact Shapley value of "
        "what "
        "they reach.");

  visit(KeyName{"cgsv", "gamma"}, s.cgsv.gamma, above_0, "Every update is scaled to this length.");
  visit(KeyName{"cgsv", "alpha"}, s.cgsv.alpha, fraction,
        "Memory of an agent's reputation; 0 = this round only.");
  visit(KeyName{"cgsv", "beta"}, s.cgsv.beta, above_0,
        "Altruism: large = equal rewards, small = rewards strictly by contribution.");

  visit(KeyName{"spectral_fed", "momentum"}, s.spectral_fed.momentum, fraction,
        "Memory of an agent's score; 0 = this round only.");
  visit(
      KeyName{"spectral_fed", "normaliser"}, s.spectral_fed.normaliser,
      Choice{{"log_min_dim", "none", "log_rank"}},
      "What the spectral entropy is divided by: the logarithm of the smaller side, nothing, or of the rank.");

  visit(KeyName{"fedopt", "optimiser"}, s.fedopt.optimiser, Choice{{"adam", "yogi", "adagrad", "momentum"}},
        "What turns the average update into the server's step.");
  visit(KeyName{"fedopt", "learning_rate"}, s.fedopt.learning_rate, above_0, "The server's step size.");
  visit(KeyName{"fedopt", "beta1"}, s.fedopt.beta1, fraction, "Memory of the average update.");
  visit(KeyName{"fedopt", "beta2"}, s.fedopt.beta2, fraction, "adam, yogi: memory of its square.");
  visit(KeyName{"fedopt", "tau"}, s.fedopt.tau, Real{1e-37, 1e37, true, true},
        "Added to the root of that square.");

  visit(KeyName{"qffl", "q"}, s.qffl.q, from_0,
        "0 = uniform averaging; large = the worst agent's loss counts.");

  visit(KeyName{"afl", "learning_rate"}, s.afl.learning_rate, above_0,
        "Step size of the agents' weights, up the losses.");

  visit(KeyName{"cffl", "upload_share"}, s.cffl.upload_share, decay,
        "Share of an update's entries that are uploaded, the largest.");
  visit(KeyName{"cffl", "clip"}, s.cffl.clip, above_0, "Largest magnitude of an uploaded entry.");
  visit(KeyName{"cffl", "memory"}, s.cffl.memory, fraction,
        "Memory of an agent's reputation. At .8 the sinh, round after round, leaves one agent alone.");
  visit(KeyName{"cffl", "sharpness"}, s.cffl.sharpness, Real{.high = 300, .includes_high = true},
        "Of the sinh that punishes little reputation; grows from this to twice this.");
  visit(KeyName{"cffl", "threshold"}, s.cffl.threshold, share,
        "Times 1 / N: agents of less reputation are dropped.");

  visit(KeyName{"rffl", "sharpness"}, s.rffl.sharpness, above_0, "Of the tanh that rewards reputation.");
  visit(KeyName{"rffl", "grace_rounds"}, s.rffl.grace_rounds, any, "Rounds before anyone is dropped.");
  visit(KeyName{"rffl", "threshold"}, s.rffl.threshold, share,
        "Times 1 / N: agents of less reputation are dropped.");

  visit(KeyName{"black_box", "client_models"}, s.black_box.client_models, Choices{models.choices, 0, true},
        "fedzge, fedmd: the clients' networks, dealt in turn; empty = model.name for all.");
  visit(KeyName{"black_box", "client_widths"}, s.black_box.client_widths, Counts{width, 0, true},
        "fedzge, fedmd: their model.width, dealt in turn; empty = model.width for all.");
  visit(
      KeyName{"black_box", "samples"}, s.black_box.samples, positive,
      "Samples that a generator makes for a step, B; of public data, those that are asked about in a round.");
  visit(KeyName{"black_box", "noise"}, s.black_box.noise, positive, "Numbers of noise in a sample, nz.");
  visit(
      KeyName{"black_box", "estimator"}, s.black_box.estimator,
      Choice{{"chain", "per_sample", "scalar", "reference"}},
      "fedzge: what the answers are made into; chain = zeroth order through the clients only; per_sample = a "
      "loss for each sample; scalar = one number for the batch; reference = that, divided by B, as the "
      "authors' "
      "code has it.");
  visit(KeyName{"black_box", "queries"}, s.black_box.queries, positive,
        "fedzge: points around each sample that clients are asked about, q.");
  visit(KeyName{"black_box", "directions"}, s.black_box.directions,
        Choice{{"orthogonal", "hadamard", "rademacher", "sphere"}},
        "fedzge: where these points lie; hadamard and rademacher are the same bits on every machine.");
  visit(KeyName{"black_box", "epsilon"}, s.black_box.epsilon, above_0,
        "fedzge: how far a point is from its sample, whose pixels are in [-1, 1].");
  visit(KeyName{"black_box", "sending"}, s.black_box.sending, Choice{{"seed", "points"}},
        "fedzge: what travels; seed = eight bytes that clients make the points from.");
  visit(
      KeyName{"black_box", "ensemble"}, s.black_box.ensemble, Choice{{"size", "class"}},
      "fedzge, dense: how clients' answers are weighed: by their examples, or by those of the class that was "
      "ordered.");
  visit(KeyName{"black_box", "temperature"}, s.black_box.temperature, above_0,
        "Of the adversarial loss and of distillation, T.");
  visit(KeyName{"black_box", "adversarial"}, s.black_box.adversarial, from_0,
        "Factor of the adversarial loss, b1: samples that the global model does not know yet.");
  visit(KeyName{"black_box", "diversity"}, s.black_box.diversity, from_0,
        "Factor of the diversity loss, b2: other samples from other noise.");
  visit(KeyName{"black_box", "information"}, s.black_box.information, from_0,
        "Factor of the information loss, b3: all classes alike.");
  visit(KeyName{"black_box", "generator_steps"}, s.black_box.generator_steps, positive,
        "Steps of the generator in a round; in fedzge each asks about samples of its own.");
  visit(KeyName{"black_box", "generator_learning_rate"}, s.black_box.generator_learning_rate, above_0,
        "Its step size in a round's first step (Adam, made anew every round).");
  visit(KeyName{"black_box", "server_steps"}, s.black_box.server_steps, any,
        "Steps of the global model towards the ensemble's answers in a round, each on all samples.");
  visit(KeyName{"black_box", "client_steps"}, s.black_box.client_steps, any,
        "fedzge, fedmd: the same of each client.");
  visit(KeyName{"black_box", "distillation_learning_rate"}, s.black_box.distillation_learning_rate, above_0,
        "Step size of these first steps (Adam, made anew every round, falling as a cosine).");
  visit(KeyName{"black_box", "answers"}, s.black_box.answers, Choice{{"logits", "top1", "label"}},
        "fedzge, fedmd: what clients tell; top1 = the likeliest class and its probability, label = the class "
        "alone.");
  visit(KeyName{"black_box", "answer_noise"}, s.black_box.answer_noise, from_0,
        "Standard deviation of Gaussian noise that clients add to their logits before they answer.");
  visit(KeyName{"black_box", "query_budget"}, s.black_box.query_budget, any,
        "Images that a client answers in a run, at most; 0 = any number. A client that has no answer left "
        "trains "
        "on, and the round goes on without it.");
  visit(KeyName{"black_box", "images_a_pass"}, s.black_box.images_a_pass, positive,
        "Images that go through a client's network at once when it answers: what its memory holds.");
  visit(KeyName{"black_box", "public_samples"}, s.black_box.public_samples, any,
        "fedmd, feddf: held-out examples, without their labels, that everyone has, the first ones; 0 = all.");
}

}  // namespace fedval::harness
