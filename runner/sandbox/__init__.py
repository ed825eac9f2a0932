"""The sandbox: a simulated Exchange that speaks EWS over HTTP, and a demo CRM. Never imported by the product's floors."""
