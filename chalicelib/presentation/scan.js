(function () {
  "use strict";
  var button = document.getElementById("scan"), field = document.getElementById("who");
  var media = navigator.mediaDevices;
  if (!button || !field || !window.BarcodeDetector || !media || !media.getUserMedia) return;
  var video = document.getElementById("camera"), trouble = document.getElementById("no-camera");
  var stream = null, detector = null;

  function stop() {
    if (stream) stream.getTracks().forEach(function (track) { track.stop(); });
    stream = null;
    video.srcObject = null;
    video.hidden = true;
    button.setAttribute("aria-expanded", "false");
  }

  function look() {
    if (!stream) return;
    detector.detect(video).then(function (codes) {
      if (codes.length && codes[0].rawValue) {
        field.value = codes[0].rawValue;
        stop();
        field.form.submit();
      } else window.setTimeout(look, 200);
    }, function () { window.setTimeout(look, 400); });
  }

  function start() {
    trouble.hidden = true;
    media.getUserMedia({ video: { facingMode: "environment" } }).then(function (opened) {
      stream = opened;
      video.srcObject = opened;
      video.hidden = false;
      button.setAttribute("aria-expanded", "true");
      return video.play();
    }).then(look, function () {
      stop();
      trouble.hidden = false;
    });
  }

  window.BarcodeDetector.getSupportedFormats().then(function (formats) {
    if (formats.indexOf("qr_code") < 0) return;
    detector = new window.BarcodeDetector({ formats: ["qr_code"] });
    button.hidden = false;
    button.addEventListener("click", function () { if (stream) stop(); else start(); });
    window.addEventListener("pagehide", stop);
  }, function () {});
})();
