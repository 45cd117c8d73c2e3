"use strict";

SwaggerUIBundle({
  url: "/docs/assets/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
