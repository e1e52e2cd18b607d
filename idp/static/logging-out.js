/* Goes on when every frame has loaded, or after five seconds. Without JavaScript the page does. */
(function () {
  "use strict";
  var gone = false;
  function goOn() {
    if (gone) return;
    gone = true;
    window.location.replace(document.getElementById("logging-out-continue").href);
  }
  window.addEventListener("load", goOn);
  window.setTimeout(goOn, 5000);
})();
