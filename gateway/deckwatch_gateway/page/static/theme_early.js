// A classic script in the head: a module would run after the first paint, which would flash.
{
  let choice = null;
  try {
    choice = localStorage.getItem("deckwatch.theme");
  } catch {
    // Storage is switched off; the system's choice stands.
  }
  const media = { light: "not all", dark: "all" }[choice];
  if (media) document.getElementById("dark").media = media;
}
