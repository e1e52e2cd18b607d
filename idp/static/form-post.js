/* Sends the answer on to the service. Without JavaScript a button does. */
(function () {
  "use strict";
  document.getElementById("form-post").submit();
})();
