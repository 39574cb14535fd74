"""What the kernel copies to the agent on its way to a drop: headers, and questions to the DNS. All of it is hostile."""
