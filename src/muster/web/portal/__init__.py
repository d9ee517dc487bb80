"""The portal: HTML pages for administrators, one module and one template folder a screen family."""
