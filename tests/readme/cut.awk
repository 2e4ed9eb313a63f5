# Prints block number `block` (from 1) of the fenced blocks of language `language` in a Markdown file.
/^```/ {
  if (inside) { inside = 0; next }
  inside = ($0 == "```" language && ++found == block) ? 1 : 2
  next
}
inside == 1
