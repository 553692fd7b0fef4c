// What the index page finds: each entry is a text, what to know about it, and an address.
const entries = JSON.parse(document.getElementById("entries").textContent);
const field = document.getElementById("search"), list = document.getElementById("found");
// American spelling finds British, and the other way round.
const spelled = text => text.toLowerCase().replace(/is(e|ing|ation|er)/g, "iz$1").replace(/colour/g, "color");
field.closest("p").hidden = false;
field.addEventListener("input", () => {
  const query = spelled(field.value.trim()), words = query.split(/\s+/);
  const holds = text => words.every(word => spelled(text).includes(word));
  const rank = ([text]) => spelled(text).startsWith(query) ? 0 : 1;
  const called = query ? entries.filter(([text]) => holds(text)).sort((a, b) => rank(a) - rank(b)) : [];
  const hits = !query || called.length ? called : entries.filter(([text, note]) => holds(text + " " + note));
  list.replaceChildren(...hits.slice(0, 20).map(([text, note, address]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    [link.textContent, link.href] = [text, address];
    item.append(link, ` ${note}`);
    return item;
  }));
  if (query && hits.length != list.children.length) list.append(`… and ${hits.length - list.children.length} more`);
  if (query && !hits.length) list.append("Nothing is called so.");
});
