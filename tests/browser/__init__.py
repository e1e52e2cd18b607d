"""What a person does and sees, in a real Chromium, on the product as it is served."""
