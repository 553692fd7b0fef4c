// What the index page finds: each entry is a text, what to know about it, and an address.
const entries = JSON.parse(document.getElementById("entries").textContent);
const field = document.getElementById("search"), list = document.getElementById("found");
field.closest("p").hidden = false;
field.addEventListener("input", () => {
  const query = field.value.trim().toLowerCase(), words = query.split(/\s+/);
  const holds = text => words.every(word => text.toLowerCase().includes(word));
  const rank = ([text]) => text.toLowerCase().startsWith(query) ? 0 : holds(text) ? 1 : 2;
  const hits = query ? entries.filter(([text, note]) => holds(text + " " + note)).sort((a, b) => rank(a) - rank(b)) : [];
  list.replaceChildren(...hits.slice(0, 20).map(([text, note, address]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    [link.textContent, link.href] = [text, address];
    item.append(link, ` ${note}`);
    return item;
  }));
  if (query && hits.length != list.children.length) list.append(`… and ${hits.length - list.children.length} more`);
  if (query && !hits.length) list.append("Nothing is called so.");
});
