// Sends the form that carries a message to another site.
document.querySelector("form[data-post]").submit();
