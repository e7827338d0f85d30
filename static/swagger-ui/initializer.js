// A file of its own, because the page's policy allows no inline script. Requests carry the sign-in cookie by themselves;
// "Authorize" takes another user's token.
/* global SwaggerUIBundle */
SwaggerUIBundle({
  dom_id: '#swagger-ui',
  url: '/api/v1/openapi.json',
  deepLinking: true,
  validatorUrl: null, // or the document would be sent to somebody else's host
});
