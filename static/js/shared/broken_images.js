/* A picture that does not come says so in its place, in words, instead of leaving an empty box. */

document.addEventListener("error", (event) => {
  const picture = event.target;
  if (!picture.matches?.("[data-picture]")) return;
  const said = document.createElement("p");
  said.className = "spectrogram__waits";
  said.setAttribute("role", "status");
  said.textContent = picture.dataset.failed;
  picture.parentElement.classList.add("is-missing");
  picture.parentElement.replaceChildren(said);
}, true);
