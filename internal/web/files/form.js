// Sends the form to the app. Without JavaScript, the user presses the button.
document.getElementById('to-app').submit();
