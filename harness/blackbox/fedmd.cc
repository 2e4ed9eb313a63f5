#include "harness/blackbox/fedmd.hpp"

#include "harness/blackbox/distil.hpp"
#include "harness/blackbox/panel.hpp"
#include "harness/blackbox/public_data.hpp"
#include "harness/blackbox/query_options.hpp"
#include "harness/blackbox/tensors.hpp"

namespace fedval::harness {

FedMd::FedMd(Federation& federation) : DistillationRun(federation), clients_(federation) {
  public_batch(federation, settings().black_box.samples,
               0);  // says before the first round whether there are enough
}

void FedMd::exchange(const std::vector<Participant>& participants, RoundRecord& record,
                     std::atomic<std::size_t>& counter) {
  const BlackBoxSettings& black_box = settings().black_box;
  const std::size_t round = result().rounds;
  Panel panel = clients_.panel(participants, record, result());
  phase("client training", [&] { clients_.train(panel, round, counter); });

  const std::vector<std::uint32_t> batch = public_batch(federation(), black_box.samples, round);
  std::vector<black_box::Logits> answers;
  phase("queries", [&] {
    for (auto& one : panel.ask(PublicMessage{batch}, answer_form(black_box), 1, batch.size(),
                               federation().data().classes))
      answers.push_back(std::move(one.front()));
  });
  if (answers.empty()) {
    result().notes.push_back("round " + std::to_string(record.round) +
                             ": nobody answered, so the global model stayed");
    return;
  }
  phase("distillation", [&] {
    const std::vector<std::uint32_t> no_classes(batch.size());  // by size, whatever a sample's class
    const black_box::Logits teacher = weights_by_size(agents_of(panel))(answers, no_classes);
    const std::vector<std::size_t> indices(batch.begin(), batch.end());
    distil(server(), federation().batches().inputs(federation().data().held_out, indices), teacher, black_box,
           black_box.server_steps);
    if (black_box.client_steps > 0)
      panel.tell([&](const Panel::Member&) { return TeachMessage{tensor_of(teacher)}; });
  });
}

}  // namespace fedval::harness
