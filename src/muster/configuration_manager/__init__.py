"""The 8x8 Configuration Manager: another company's system that receives the accounts."""
